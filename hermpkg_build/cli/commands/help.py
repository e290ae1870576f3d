"""``hermpkg help``, and ``--help`` with any command: texts made from the tables of commands and options."""

from __future__ import annotations

from collections.abc import Iterable

from hermpkg_build.cli.arguments import Command, Invocation, Option
from hermpkg_build.cli.remote import REMOTE_OPTIONS
from hermpkg_build.errors import CommandLineError, ExitCode


def run(invocation: Invocation) -> ExitCode:
    """Show the overview, or the help on the command named."""
    from hermpkg_build.cli.main import COMMANDS, load

    if not invocation.words:
        text = _overview()
    elif invocation.words[0] in COMMANDS:
        text = _on_command(load(invocation.words[0]))
    else:
        from hermpkg_build.core.spelling import question

        word = invocation.words[0]
        raise CommandLineError(f"unknown command {word!r}", next_step=question(word, COMMANDS))
    if invocation.settings.json:
        invocation.console.give_json({"help": text})
    invocation.console.say(text)
    return ExitCode.SUCCESS


def _overview() -> str:
    from hermpkg_build.cli.main import COMMANDS, GLOBAL_OPTIONS

    return "\n".join(
        [
            "usage: hermpkg [OPTIONS] COMMAND ...",
            "       hermpkg [OPTIONS] //some:target ...     the same as hermpkg build //some:target ...",
            "",
            "Builds PyTorch models, their code and their resources into reproducible, hermetic files.",
            "",
            "commands:",
            *_table(COMMANDS.items()),
            "",
            "options, before or after the command:",
            *_options(GLOBAL_OPTIONS),
        ]
    )


def _on_command(command: Command) -> str:
    from hermpkg_build.cli.main import GLOBAL_OPTIONS

    lines = [f"usage: hermpkg [OPTIONS] {command.name} {command.words}".rstrip(), "", command.summary, ""]
    own = [option for option in command.options if option not in REMOTE_OPTIONS]
    if own:
        lines += ["options:", *_options(own), ""]
    if len(own) < len(command.options):
        lines += ["options for remote servers:", *_options(REMOTE_OPTIONS), ""]
    return "\n".join([*lines, "options of every command:", *_options(GLOBAL_OPTIONS)])


def _options(options: Iterable[Option]) -> list[str]:
    # The short spelling first, as manuals have it.
    return _table(
        (", ".join(sorted(option.names, key=len)) + (f" {option.value}" if option.value else ""), option.help)
        for option in options
    )


def _table(rows: Iterable[tuple[str, str]]) -> list[str]:
    rows = list(rows)
    width = max(len(left) for left, _ in rows)
    return [f"  {left:<{width}}  {right}" for left, right in rows]


COMMAND = Command(
    name="help",
    words="[COMMAND]",
    summary="Shows the commands, or the options of one.",
    run=run,
    most=1,
)
