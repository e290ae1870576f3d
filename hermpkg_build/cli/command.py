"""What a command is: its name, its arguments, its help, and the function that does it."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from hermpkg_build.cli.arguments import Given, flag, operand_forms, option, own_options, whole_number
from hermpkg_build.cli.console import Console
from hermpkg_build.core.cache_directory import default_cache_directory
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

    directory: str = option(
        "--directory", "-C", value="DIR", read=str, default="", help="work as if started in DIR"
    )
    cache_dir: str = option(
        "--cache-dir",
        value="DIR",
        read=os.path.abspath,
        default=lambda: default_cache_directory(os.environ),
        default_words="`$HERMPKG_CACHE_DIR`, else `hermpkg` in the user's cache folder",
        help="keep cached work in DIR",
    )
    jobs: int = option(
        "--jobs",
        "-j",
        value="N",
        read=whole_number(1),
        default=_usable_cpus,
        default_words="one for each usable CPU",
        help="run at most N actions at once",
    )
    json: bool = flag("--json", help="print one JSON object on standard output, and nothing else there")
    color: str = option(
        "--color",
        value="WHEN",
        read=str,
        default="auto",
        choices=("auto", "always", "never"),
        help="when to use colours: `always`, `never`, or `auto`: on terminals unless `$NO_COLOR` is set",
    )
    quiet: bool = flag("--quiet", "-q", help="print errors and what was asked for, nothing else")
    verbose: bool = flag("--verbose", "-v", help="print more")
    help: bool = flag("--help", "-h", help="show help, on the command where one is named")
    version: bool = flag("--version", help="show the version")


A = TypeVar("A", bound=CommonArguments)


@dataclass(frozen=True, slots=True, kw_only=True)
class Command(Generic[A]):
    """One command.

    `run` does it and prints to the console; its docstring is the help on the command. `group` and
    `example` are for help too.
    """

    name: str
    group: Group
    example: str
    arguments: type[A]
    run: Callable[[A, Console], ExitCode]

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

        return (inspect.getdoc(self.run) or "").replace("``", "`")

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
                    raise CommandLineError(f"hermpkg {self.name} needs {form}", next_step=self._how_to_call())
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
                next_step=self._how_to_call(),
            )
        return self.arguments(**values)

    def _how_to_call(self) -> str:
        return f"usage: {self.usage}\nexample: {self.example}"
