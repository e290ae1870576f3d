"""``hermpkg help``, and ``--help`` with any command: texts made from the commands and their arguments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, get_args

from hermpkg_build.cli.arguments import Option, flag, operand, option_groups, own_options
from hermpkg_build.cli.command import Command, CommonArguments, Group, command
from hermpkg_build.cli.commands import all_commands, command_names, find_command, unknown_command
from hermpkg_build.cli.console import Console
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode

_WIDTH = 100

REMOTE = "remote"
"""What help is asked for on the options of all commands that build, instead of a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpArguments(CommonArguments):
    """What ``hermpkg help`` is told."""

    command: str = operand("[COMMAND|remote]")
    man: bool = flag("--man", "write a page for `man`, in its language")


@command(HelpArguments, group="the workspace and hermpkg itself", example="hermpkg help build")
def run(arguments: HelpArguments, console: Console) -> ExitCode:
    """Show the commands, or one command with its options.

    ``hermpkg help COMMAND`` is the same as ``hermpkg COMMAND --help``. ``hermpkg help remote`` shows the
    options for remote servers, which all commands that build have. With ``--man`` the same is a page for
    ``man``: ``hermpkg help --man build > hermpkg-build.1``.
    """
    command = find_command(arguments.command) if arguments.command not in ("", REMOTE) else None
    if arguments.command not in ("", REMOTE) and command is None:
        raise unknown_command(arguments.command)
    if arguments.man:
        from hermpkg_build.cli.manual import manual_page, overview_page

        text = overview_page(all_commands()) if command is None else manual_page(command)
    elif arguments.command == REMOTE:
        text = "\n".join(_on_remote_servers())
    else:
        text = "\n".join(_overview() if command is None else _on_command(command))
    console.give_json({"help": text})
    for line in text.split("\n"):
        console.say(line)
    return ExitCode.SUCCESS


def _overview() -> Iterator[str]:
    yield "usage: hermpkg [OPTIONS] COMMAND ..."
    yield "       hermpkg [OPTIONS] PATTERN...     the same as hermpkg build PATTERN..."
    yield ""
    yield "Builds PyTorch models, their code and their resources into reproducible, hermetic files."
    width = max(map(len, command_names()))
    for group in get_args(Group):
        yield from ("", f"{group}:")
        for each in all_commands():
            if each.group == group:
                yield f"  {each.name:<{width}}  {each.summary}"
    yield from ("", "options, before or after the command:")
    yield from _options(own_options(CommonArguments))
    yield from ("", "example: hermpkg build //models:resnet", "on one command: hermpkg help COMMAND")
    yield "on sharing work with other machines: hermpkg help remote"


def _on_command(command: Command[Any]) -> Iterator[str]:
    yield f"usage: {command.usage}"
    yield from ("", command.description, "", f"example: {command.example}")
    common = own_options(CommonArguments)
    tables = {"options": options_beside(common, command), "options of every command": common}
    for title, options in tables.items():
        if options:
            yield from ("", f"{title}:", *_options(options))
    for title in option_groups(command.arguments):
        yield from ("", f"{title}: hermpkg help {REMOTE}")


def _on_remote_servers() -> Iterator[str]:
    """Give the options that are the same for all commands that have them."""
    yield "Commands that build share work through remote servers, by options or by [tool.hermpkg]."
    groups = {
        title: group for each in all_commands() for title, group in option_groups(each.arguments).items()
    }
    for title, options in groups.items():
        yield from ("", f"{title}:", *_options(options))
    yield from ("", "example: hermpkg build //models:resnet --remote-cache grpcs://cache.example.com")


def options_beside(common: Sequence[Option], command: Command[Any]) -> list[Option]:
    """List the options of `command`, without those in groups and the `common` ones."""
    return [option for option in own_options(command.arguments) if option not in common]


def _options(options: Iterable[Option]) -> Iterator[str]:
    import textwrap

    rows = [(spelling(option), meaning(option)) for option in options]
    width = max(len(left) for left, _ in rows)
    for left, right in rows:
        yield f"  {left:<{width}}  " + f"\n  {'':<{width}}  ".join(textwrap.wrap(right, _WIDTH - width - 4))


def spelling(option: Option) -> str:
    """Spell an option: ``-o, --out FILE``."""
    return f"{', '.join(option.names)} {option.value}".rstrip()


def meaning(option: Option) -> str:
    """Say what an option does, and what holds without it."""
    return f"{option.help} (default: {option.default})" if option.default else option.help
