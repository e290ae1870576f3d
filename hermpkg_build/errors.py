"""The one family of errors: what happened, where, the facts as fields, the next step, the exit code."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, ClassVar

from hermpkg_build.dataclass import dataclass
from hermpkg_build.printable import indented, one_line


class ExitCode(enum.IntEnum):
    """Exit codes of the command line; the numbers are Bazel's."""

    SUCCESS = 0
    BUILD_FAILED = 1
    COMMAND_LINE = 2
    TESTS_FAILED = 3
    QUERY_FAILED = 7
    INTERRUPTED = 8
    LOCAL_ENVIRONMENT = 36
    INTERNAL = 37


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A place in a source file; lines and columns count from 1, 0 means unknown.

    `path` is relative to the workspace root where the file lies in the workspace, so that
    it never carries the place of a checkout into an artifact.
    """

    JSON_ARRAY: ClassVar = True

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        text = self.path
        if self.line:
            text += f":{self.line}"
            if self.column:
                text += f":{self.column}"
        return text


class HermpkgError(Exception):
    """Base of every error a user can cause or must handle.

    `summary` is one sentence without a full stop; `facts` are aligned name-value pairs;
    `snippet` shows the source where the fault lies; `next_step` says what to do.

    >>> place = Location("app/BUILD", 3, 5)
    >>> facts = [("looked for", "app/word.txt")]
    >>> print(HermpkgError("no such file", location=place, facts=facts, next_step="write the file"))
    app/BUILD:3:5: no such file
      looked for: app/word.txt
      -> write the file
    """

    exit_code: ExitCode = ExitCode.BUILD_FAILED

    def __init__(
        self,
        summary: str,
        *,
        location: Location | None = None,
        facts: Sequence[tuple[str, str]] = (),
        snippet: str = "",
        next_step: str = "",
    ) -> None:
        super().__init__(summary)
        self.summary = summary
        self.location = location
        self.facts: tuple[tuple[str, str], ...] = tuple(facts)
        self.snippet = snippet
        self.next_step = next_step

    def __str__(self) -> str:
        return self.render()

    def __reduce__(self) -> tuple[Any, ...]:
        # What Exception keeps is not enough for the classes that ask for more than the summary.
        return _again, (type(self), self.args, vars(self))

    def render(self) -> str:
        """The whole message as plain text that can steer no terminal, without a trailing newline.

        What belongs to it begins with blanks, in all lines but the first.
        """
        head = f"{self.location}: {self.summary}" if self.location else self.summary
        lines = [indented(head, "    ")]
        lines += [f"    {one_line(line)}".rstrip() for line in self.snippet.splitlines()]
        named = [(f"{one_line(name)}:", value) for name, value in self.facts]
        width = max((len(name) for name, _ in named), default=0)
        lines += [indented(f"  {name:<{width}} {value}", " " * (width + 3)).rstrip() for name, value in named]
        if self.next_step:
            lines.append(indented(f"  -> {self.next_step}", "     "))
        return "\n".join(lines)


def _again(cls: type[HermpkgError], args: tuple[Any, ...], state: Mapping[str, Any]) -> HermpkgError:
    """Make an error that another process has raised."""
    error = cls.__new__(cls, *args)
    vars(error).update(state)
    return error


class GroupedError(HermpkgError):
    """Several independent errors found in one pass, reported together in source order.

    The exit code is that of all of them where they agree.
    """

    def __init__(self, summary: str, errors: Iterable[HermpkgError], *, next_step: str = "") -> None:
        super().__init__(summary, next_step=next_step)
        self.errors: tuple[HermpkgError, ...] = tuple(errors)
        codes = {error.exit_code for error in self.errors}
        if len(codes) == 1:
            self.exit_code: ExitCode = codes.pop()

    def render(self) -> str:
        """The errors one after the other, then what they come to."""
        return "\n\n".join([*(error.render() for error in self.errors), super().render()])


class CommandLineError(HermpkgError):
    """The command line itself is wrong."""

    exit_code = ExitCode.COMMAND_LINE


class WorkspaceError(HermpkgError):
    """There is no workspace here, or its configuration is wrong."""

    exit_code = ExitCode.COMMAND_LINE


class LabelError(HermpkgError):
    """A label or target pattern does not parse, or names nothing: as in Bazel, the build fails."""


class LoadingError(HermpkgError):
    """A BUILD or .bzl file is wrong."""


class AnalysisError(HermpkgError):
    """A module cannot be given the place in the package that the policies ask for."""


class ActionError(HermpkgError):
    """An action ran and failed."""


class ArchiveError(HermpkgError):
    """A file is no archive, is damaged, or is one this version cannot read."""

    def in_file(self, name: str) -> ArchiveError:
        """The same error, with the name of the file that it is about."""
        return ArchiveError(self.summary, facts=[("file", name), *self.facts], next_step=self.next_step)


class ArchiveNotFoundError(ArchiveError):
    """There is nothing at `path`, where an archive was asked for."""

    def __init__(self, path: str) -> None:
        super().__init__("there is no such file", facts=[("file", path)])
        self.path = path


class PackageTestError(HermpkgError):
    """A package_test ran and did not pass."""

    exit_code = ExitCode.TESTS_FAILED


class QueryError(HermpkgError):
    """A query expression is wrong or names nothing."""

    exit_code = ExitCode.QUERY_FAILED


class BuildInterruptedError(HermpkgError):
    """The user stopped the build."""

    exit_code = ExitCode.INTERRUPTED


class LocalEnvironmentError(HermpkgError):
    """The machine stands in the way: disk full, no permission, a tool or library missing."""

    exit_code = ExitCode.LOCAL_ENVIRONMENT
