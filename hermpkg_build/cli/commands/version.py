"""``hermpkg version``."""

from __future__ import annotations

from hermpkg_build.cli.arguments import Command, Invocation
from hermpkg_build.errors import ExitCode
from hermpkg_build.version import __version__


def run(invocation: Invocation) -> ExitCode:
    """Print the version."""
    if invocation.settings.json:
        invocation.console.give_json({"version": __version__})
    invocation.console.say(f"hermpkg {__version__}")
    return ExitCode.SUCCESS


COMMAND = Command(name="version", words="", summary="Shows the version.", run=run)
