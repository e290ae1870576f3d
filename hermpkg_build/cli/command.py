"""What a command is: its name, its arguments, its help, and the function that does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from hermpkg_build.cli.arguments import Given, flag, operand_forms, option, own_options, whole_number
from hermpkg_build.cli.console import Console
from hermpkg_build.disk.cache_directory import default_cache_directory
from hermpkg_build.errors import CommandLineError, ExitCode

Group: TypeAlias = Literal["build and test", "look into artifacts", "the workspace and hermpkg itself"]
"""The heading that a command stands under in the overview, which shows them in this order."""


def _usable_cpus() -> int:
    """The CPUs that this process may use, which in a container can be fewer than there are."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CommonArguments:
    """The options of every command. `cache_dir` is absolute, `directory` "" for the current folder."""

    directory: str = option("-C, --directory DIR", "work as if started in DIR", read=str, default="")
    cache_dir: str = option(
        "--cache-dir DIR",
        "keep cached work in DIR (default: `$HERMPKG_CACHE_DIR`, else `hermpkg` in the user's cache folder)",
        read=os.path.abspath,
        default=lambda: default_cache_directory(os.environ),
    )
    jobs: int = option(
        "-j, --jobs N",
        "run at most N actions at once (default: one for each usable CPU)",
        read=whole_number(1),
        default=_usable_cpus,
    )
    json: bool = flag("--json", "print one JSON object on standard output, and nothing else there")
    color: str = option(
        "--color WHEN",
        "when to use colours: `always`, `never`, or `auto`: on terminals unless `$NO_COLOR` is set",
        read=str,
        default="auto",
        choices=("auto", "always", "never"),
    )
    quiet: bool = flag("-q, --quiet", "print errors and what was asked for, nothing else")
    verbose: bool = flag("-v, --verbose", "print more")
    help: bool = flag("-h, --help", "show help, on the command where one is named")
    version: bool = flag("--version", "show the version")


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
