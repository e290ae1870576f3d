"""From the words of the command line to an exit code: find the command, run it, report what went wrong.

Only the chosen command's module is imported: start-up time is a feature.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Any

from hermpkg_build.cli.arguments import Given, own_options, parse, plain_words
from hermpkg_build.cli.at_once import is_pattern
from hermpkg_build.cli.command import Command, CommonArguments
from hermpkg_build.cli.commands import find_command, unknown_command
from hermpkg_build.cli.console import Console, error_json
from hermpkg_build.cli.output import discard_output
from hermpkg_build.core.user_file import user_settings_path
from hermpkg_build.errors import (
    ArchiveNotFoundError,
    BuildInterruptedError,
    CommandLineError,
    ExitCode,
    GroupedError,
    HermpkgError,
)


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that `words` ask for, by default the process's arguments; return the exit code."""
    arguments = tuple(sys.argv[1:] if words is None else words)
    _let_output_hold_any_name()
    _stop_on_signals()
    console = Console()
    try:
        name, is_implied = _command_name(arguments)
        command = find_command(name)
        plain, given, problems = parse(arguments, (command or _command("build")).arguments)
        console = Console(
            color=given["color"][-1] if "color" in given else _preferred_color(),
            json="json" in given,
            quiet="quiet" in given,
            verbose="verbose" in given,
        )
        if command is None:
            raise unknown_command(name)
        if problems:
            raise problems[0] if len(problems) == 1 else GroupedError("several options are wrong", problems)
        code = _run(command, plain if is_implied else plain[1:], given, console)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        discard_output()  # the reader has seen enough
        return ExitCode.SUCCESS
    except ArchiveNotFoundError as error:
        from hermpkg_build.cli.missing_files import step_to_artifact

        error.next_step = step_to_artifact(error.path, arguments)
        return _report(error, console)
    except HermpkgError as error:
        return _report(error, console)
    except KeyboardInterrupt:
        return interrupted(console)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        from hermpkg_build.cli.unexpected import explain

        return _report(explain(error, arguments), console)
    return code


def interrupted(console: Console) -> int:
    """Say that the user ended the command; return the exit code."""
    return _report(BuildInterruptedError("interrupted"), console)


def _command_name(arguments: Sequence[str]) -> tuple[str, bool]:
    """Find the name of the command, and whether `arguments` leave it out.

    A target pattern alone means ``build``, nothing but options ``help``.
    """
    end = arguments.index("--") if "--" in arguments else len(arguments)
    plain, all_are_common = plain_words(arguments[:end], CommonArguments)
    if not all_are_common:
        # Where there is an option of some commands only, its value must not be taken for a command's name.
        plain, _ = plain_words(arguments[:end], _command("build").arguments)
    if plain:
        return ("build", True) if is_pattern(plain[0]) else (plain[0], False)
    return ("build" if end < len(arguments) - 1 else "help"), True


def _preferred_color() -> str:
    """Return when the user wants colours. Wrong settings are told by the commands that need them."""
    if not os.path.exists(user_settings_path(os.environ)):
        return "auto"
    from hermpkg_build.disk.user_settings import user_settings

    try:
        return str(user_settings(os.environ).get("color", "auto"))
    except HermpkgError:
        return "auto"


def _command(name: str) -> Command[Any]:
    command = find_command(name)
    assert command is not None
    return command


def _run(command: Command[Any], words: Sequence[str], given: Given, console: Console) -> ExitCode:
    """Run `command`, or what an option asks for in its place."""
    if "version" in given:
        command, words = _command("version"), ()
    elif "help" in given:
        command, words = _command("help"), () if command.name == "help" else (command.name,)
    if "directory" in given:
        _change_directory(given["directory"][-1])
    arguments = command.read(words, given)
    if any(option.writes and option.name in given for option in own_options(command.arguments)):
        from hermpkg_build.cli.outputs import check_outputs

        check_outputs(arguments)
    return command.function(arguments, console)


def _change_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise CommandLineError(
            f"cannot change to the folder {path!r}", facts=[("reason", error.strerror or str(error))]
        ) from None


def _report(error: HermpkgError, console: Console) -> int:
    """Show `error`, unless the reader has gone; return its exit code."""
    try:
        console.describe(error)
        console.give_json({"error": error_json(error)})
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        discard_output()
    return int(error.exit_code)


def _let_output_hold_any_name() -> None:
    """Print file names that do not fit the terminal's encoding with escapes."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None and hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _stop_on_signals() -> None:
    """Let SIGTERM and a closed terminal end the build as Ctrl-C does: children stopped, nothing half written.

    Where a signal is ignored, as ``nohup`` has it, it stays so.
    """
    import signal

    def interrupt(number: int, _: object) -> None:
        signal.signal(number, signal.SIG_DFL)
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, interrupt)
