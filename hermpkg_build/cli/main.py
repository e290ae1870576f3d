"""From the words of the command line to an exit code: find the command, run it, report what went wrong.

Only the chosen command's module is imported: start-up time is a feature.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence

from hermpkg_build.cli.arguments import Command, Invocation, Option, Settings, first_word, last_of, parse
from hermpkg_build.cli.console import Console
from hermpkg_build.core.cache_directory import default_cache_directory
from hermpkg_build.errors import BuildInterruptedError, CommandLineError, ExitCode, HermpkgError

GLOBAL_OPTIONS = (
    Option(names=("--directory", "-C"), value="DIR", help="work as if started in DIR"),
    Option(names=("--cache-dir",), value="DIR", help="keep cached work in DIR instead of the user's cache"),
    Option(names=("--jobs", "-j"), value="N", help="run at most N actions at once (default: one a CPU)"),
    Option(names=("--json",), help="print one JSON object on standard output and nothing else there"),
    Option(
        names=("--color",),
        value="WHEN",
        choices=("auto", "always", "never"),
        help="colour: auto, always or never",
    ),
    Option(names=("--quiet", "-q"), help="say nothing but errors and what was asked for"),
    Option(names=("--verbose", "-v"), help="say more"),
    Option(names=("--help", "-h"), help="show help, of the command where one is named"),
    Option(names=("--version",), help="show the version"),
)

COMMANDS: Mapping[str, str] = {
    "build": "build the artifacts of targets",
    "test": "run package_test targets against their artifacts",
    "why": "show the chain of imports that brings a module into an artifact",
    "inspect": "list what an artifact holds",
    "verify": "check artifacts: intact, as the manifest says, fit for this machine",
    "lock": "write down what artifacts are, for verify --locked",
    "diff": "compare two artifacts: objects, tensors, code, extern modules",
    "info": "show the workspace, the cache and the versions in use",
    "clean": "remove outputs, and with --cache all cached work",
    "version": "show the version",
    "help": "show the commands, or with a command's name its options",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run the command that `words` (default: the process's arguments) ask for; the exit code."""
    arguments = tuple(sys.argv[1:] if words is None else words)
    _let_output_hold_any_name()
    _stop_on_signals()
    console = _console_for_errors_in(arguments)
    try:
        command, invocation = _read(arguments)
        console = invocation.console
        code = command.run(invocation)
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        _discard_output()  # the reader has seen enough
        return ExitCode.SUCCESS
    except HermpkgError as error:
        return _report(error, console)
    except KeyboardInterrupt:
        return _report(BuildInterruptedError("interrupted"), console)
    except Exception as error:  # noqa: BLE001 - the last line of defence
        from hermpkg_build.cli.unexpected import explain

        return _report(explain(error, arguments), console)
    return code


def _read(arguments: Sequence[str]) -> tuple[Command, Invocation]:
    """The command that `arguments` name, and what they say to it."""
    name, rest = _command_of(arguments)
    command = load(name)
    plain, given = parse(rest, (*GLOBAL_OPTIONS, *command.options))
    options = last_of(given)
    console = _console(options, json="json" in options)
    if "version" in options:
        command, plain, given = load("version"), (), {}
    elif "help" in options:
        command, plain, given = load("help"), () if name == "help" else (name,), {}
    command.check_words(plain)
    if "directory" in options:
        _change_directory(options["directory"])
    settings = _settings(given, console)
    own = {option.name for option in command.options}
    chosen = {name: values for name, values in given.items() if name in own}
    return command, Invocation(words=plain, given=chosen, settings=settings, console=console)


def _command_of(arguments: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The command's name and the arguments without it; a target pattern alone means ``build``."""
    position = first_word(arguments, (*GLOBAL_OPTIONS, *load("build").options))
    if position is None:
        if "--" in arguments[:-1]:
            return "build", arguments
        return "help", arguments
    word = arguments[position]
    if word in COMMANDS:
        return word, [*arguments[:position], *arguments[position + 1 :]]
    if any(mark in word for mark in ("/", ":", "...")):
        return "build", arguments
    from hermpkg_build.core.spelling import question

    raise CommandLineError(
        f"unknown command {word!r}",
        next_step=question(word, COMMANDS) or f"to build a target: hermpkg build {word}",
    )


def load(name: str) -> Command:
    """The command `name`, which lives in the module of that name."""
    from importlib import import_module

    command: Command = import_module(f"hermpkg_build.cli.commands.{name}").COMMAND
    return command


def _settings(given: Mapping[str, tuple[str, ...]], console: Console) -> Settings:
    options = last_of(given)
    verbosity = -1 if "quiet" in given else len(given.get("verbose", ()))
    return Settings(
        cache_directory=os.path.abspath(options.get("cache-dir") or default_cache_directory(os.environ)),
        jobs=_jobs(options["jobs"]) if "jobs" in options else _usable_cpus(),
        json=console.json,
        verbosity=verbosity,
    )


def _jobs(text: str) -> int:
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise CommandLineError(f"--jobs needs a whole number from 1, not {text!r}")
    return int(text)


def _usable_cpus() -> int:
    """The CPUs that this process may use, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _change_directory(path: str) -> None:
    try:
        os.chdir(path)
    except OSError as error:
        raise CommandLineError(
            f"cannot work in {path!r}", facts=[("reason", error.strerror or str(error))]
        ) from None


def _console(options: Mapping[str, str], *, json: bool) -> Console:
    return Console(
        color=options.get("color", "auto"), json=json, quiet="quiet" in options, environment=os.environ
    )


def _report(error: HermpkgError, console: Console) -> int:
    """Show `error`; its exit code, also where the reader has gone."""
    try:
        console.show_error(error)
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _discard_output()
    return int(error.exit_code)


def _discard_output() -> None:
    """Let what is still buffered go nowhere, so that it does not fail once more when Python ends."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _console_for_errors_in(arguments: Sequence[str]) -> Console:
    """The console that is asked for by arguments that may be wrong elsewhere."""
    words = list(arguments[: arguments.index("--")] if "--" in arguments else arguments)
    colors = [word.partition("=")[2] for word in words if word.startswith("--color=")]
    colors += [words[place + 1] for place, word in enumerate(words[:-1]) if word == "--color"]
    wanted = [color for color in colors if color in ("always", "never")]
    return _console({"color": wanted[-1]} if wanted else {}, json="--json" in words)


def _let_output_hold_any_name() -> None:
    """File names need not fit the terminal's encoding; then they are printed with escapes."""
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
