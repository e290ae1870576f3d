"""``hermpkg version``."""

from __future__ import annotations

from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console
from hermpkg_build.errors import ExitCode
from hermpkg_build.version import __version__


@command(CommonArguments, group="the workspace and hermpkg itself", example="hermpkg version")
def run(_: CommonArguments, console: Console) -> ExitCode:
    """Show the version."""
    console.give_json({"version": __version__})
    console.say(f"hermpkg {__version__}")
    return ExitCode.SUCCESS
