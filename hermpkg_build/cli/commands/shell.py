"""``hermpkg shell``."""

from __future__ import annotations

import os

from hermpkg_build.cli.command import command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.landing import LandingArguments, start_with_artifact
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellArguments(LandingArguments):
    """What ``hermpkg shell`` is told: an artifact, a label or a file."""


@command(ShellArguments, group="where it lands", example="hermpkg shell model.pt")
def run(arguments: ShellArguments, console: Console) -> ExitCode:
    """Open an artifact at a Python prompt, in an environment of its own.

    The prompt has ``imp``, a PackageImporter of the artifact: ``imp.load_pickle("model", "model.pkl")``. The
    environment is that of ``hermpkg run``.
    """
    from hermpkg_build.environment.program import Program

    start_with_artifact(arguments, console, lambda archive: Program(artifact=os.path.abspath(archive.name)))
