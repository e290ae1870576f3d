"""What a command is: its name, its arguments, its help, and the function that does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from hermpkg_build.cli.arguments import Given, flag, operand_forms, option, own_options, whole_number
from hermpkg_build.cli.console import Console
from hermpkg_build.core.user_file import user_settings_path
from hermpkg_build.dataclass import dataclass, fields
from hermpkg_build.disk.cache_directory import default_cache_directory
from hermpkg_build.errors import CommandLineError, ExitCode

Group: TypeAlias = Literal[
    "build and test", "look into artifacts", "where it lands", "the workspace and hermpkg itself"
]
"""The heading that a command stands under in the overview, which shows them in this order."""


def chosen_cache_directory() -> tuple[str, str]:
    """Return the cache folder without ``--cache-dir``, and the variable or file that says so, "" for none."""
    if os.environ.get("HERMPKG_CACHE_DIR"):
        return default_cache_directory(os.environ), "HERMPKG_CACHE_DIR"
    path = user_settings_path(os.environ)
    if os.path.exists(path):
        from hermpkg_build.disk.user_settings import user_settings

        folder = user_settings(os.environ).get("cache-dir")
        if isinstance(folder, str):
            return os.path.abspath(os.path.expanduser(folder)), path
    return default_cache_directory(os.environ), ""


def preferred_jobs() -> tuple[int, str]:
    """Return how many actions run at once without ``--jobs``, and the file that says so, "" for none."""
    from hermpkg_build.loading.preferences import preferred
    from hermpkg_build.loading.workspace import NoWorkspaceError, find_workspace

    try:
        workspace = find_workspace(os.getcwd())
    except NoWorkspaceError:
        workspace = None
    found = preferred("jobs", workspace)
    return (found.value, found.origin) if isinstance(found.value, int) else (_usable_cpus(), "")


def _usable_cpus() -> int:
    """The CPUs that this process may use, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonArguments:
    """The options of every command. `directory` is "" for the current folder.

    Of `chosen_cache_dir` (absolute) and `chosen_jobs`, None says that the option is not given: then
    `cache_dir` and `jobs` ask the environment, the workspace and the user's settings, when they are needed.
    """

    directory: str = option("-C, --directory DIR", "work as if started in DIR", read=str, default="")
    chosen_cache_dir: str | None = option(
        "--cache-dir DIR",
        "keep cached work in DIR (default: `$HERMPKG_CACHE_DIR`, else the user's setting `cache-dir`, else "
        "`hermpkg` in the user's cache folder)",
        read=os.path.abspath,
        default=None,
    )
    chosen_jobs: int | None = option(
        "-j, --jobs N",
        "run at most N actions at once (default: the setting `jobs`, else one for each usable CPU)",
        read=whole_number(1),
        default=None,
    )
    json: bool = flag("--json", "print one JSON object on standard output, and nothing else there")
    color: str = option(
        "--color WHEN",
        "when to use colours: `always`, `never`, or `auto`: on terminals, unless `$NO_COLOR` is set, or "
        "`$FORCE_COLOR`, which wants them everywhere (default: the user's setting `color`, else auto)",
        read=str,
        default="",
        choices=("auto", "always", "never"),
    )
    quiet: bool = flag("-q, --quiet", "print errors and what was asked for, nothing else")
    verbose: bool = flag("-v, --verbose", "print more")
    help: bool = flag("-h, --help", "show help, on the command where one is named")
    version: bool = flag("--version", "show the version")

    @property
    def cache_dir(self) -> str:
        """The absolute path of the cache folder. Raises CommandLineError for wrong settings of the user."""
        return self.chosen_cache_dir or chosen_cache_directory()[0]

    @property
    def jobs(self) -> int:
        """How many actions run at once.

        Raises CommandLineError and WorkspaceError where settings are wrong.
        """
        return self.chosen_jobs or preferred_jobs()[0]


A = TypeVar("A", bound=CommonArguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Generic[A]):
    """One command.

    `function` does it and prints to the console; its docstring is the help on the command. `group` and
    `example` are for help too.
    """

    name: str
    group: Group
    example: str
    arguments: type[A]
    function: Callable[[A, Console], ExitCode]

    @property
    def usage(self) -> str:
        """How it is called: ``hermpkg [OPTIONS] build PATTERN...``."""
        return " ".join(["hermpkg", "[OPTIONS]", self.name, *operand_forms(self.arguments)])

    @property
    def summary(self) -> str:
        """What it does in one line, without a full stop."""
        return self.description.partition("\n")[0].rstrip(".")

    @property
    def description(self) -> str:
        """What it does, in Markdown; "" where Python keeps no docstrings."""
        import inspect

        return (inspect.getdoc(self.function) or "").replace("``", "`")

    def read(self, words: Sequence[str], given: Given) -> A:
        """Make the arguments of what a command line says; options of other commands are passed over.

        Raises CommandLineError for too few or too many words, and for a value that cannot be read.
        """
        values: dict[str, Any] = {}
        left = list(words)
        for each in fields(self.arguments):
            metadata = each.metadata
            if "operand" in metadata:
                form = metadata["operand"]
                if not left and not form.startswith("["):
                    raise CommandLineError(f"hermpkg {self.name} needs {form}", next_step=self.how_to_call)
                if "..." in form:
                    values[each.name], left = tuple(left), []
                elif left:
                    values[each.name] = left.pop(0)
            elif "table" in metadata:
                own = {option.name for option in own_options(self.arguments)}
                values[each.name] = {name: texts for name, texts in given.items() if name not in own}
            elif (option := metadata["option"]).name in given:
                values[each.name] = option.value_of(given)
        if left:
            raise CommandLineError(
                f"hermpkg {self.name} takes no further word, but was given {left[0]!r}",
                next_step=self.how_to_call,
            )
        return self.arguments(**values)

    @property
    def how_to_call(self) -> str:
        """Its usage and an example, for an error."""
        return f"usage: {self.usage}\nexample: {self.example}"


def command(
    arguments: type[A], *, group: Group, example: str
) -> Callable[[Callable[[A, Console], ExitCode]], Command[A]]:
    """Make a command of a function; it has the name of the function's module."""

    def make(function: Callable[[A, Console], ExitCode]) -> Command[A]:
        name = function.__module__.rpartition(".")[2]
        return Command(name=name, group=group, example=example, arguments=arguments, function=function)

    return make
