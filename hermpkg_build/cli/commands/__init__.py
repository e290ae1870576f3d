"""The commands: one module each, found by its name, whose `run` is one."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.spelling import question
from hermpkg_build.errors import CommandLineError

if TYPE_CHECKING:
    from hermpkg_build.cli.command import Command


def command_names() -> list[str]:
    """List the names of all commands, sorted."""
    import pkgutil

    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def unknown_command(name: str) -> CommandLineError:
    """Make the error for a `name` that no command has."""
    from hermpkg_build.cli.words_of_others import answer_to

    return CommandLineError(
        f"unknown command {name!r}",
        next_step=answer_to(name)
        or question(name, command_names())
        or f"hermpkg help lists the commands; to build a target: hermpkg build {name}",
    )


def all_commands() -> list[Command[Any]]:
    """Import all commands, sorted by name."""
    return [command for name in command_names() if (command := find_command(name)) is not None]


def find_command(name: str) -> Command[Any] | None:
    """Import the command `name`, and no other; None where there is none."""
    module = f"{__name__}.{name}"
    if not name.isidentifier() or name.startswith("_"):
        return None
    try:
        command: Command[Any] = import_module(module).run
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        return None
    return command
