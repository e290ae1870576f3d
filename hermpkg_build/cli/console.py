"""What a command says: lines or one JSON object on standard output, everything else on standard error.

All text becomes output here, as `printable` makes it.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import copy
from typing import TYPE_CHECKING

from hermpkg_build.cli.styles import Styled, joined, wants_color
from hermpkg_build.core.texts import clipped
from hermpkg_build.errors import GroupedError, HermpkgError, Location
from hermpkg_build.printable import one_line, strict_json

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json

_RED = "\x1b[1;31m"
_YELLOW = "\x1b[1;33m"
_CYAN = "\x1b[36m"

_LONGEST = 4_000
"""Characters of a line of an error or a note."""

_AT_ONCE = 10_000
"""So many lines are printed together."""


class Console:
    """Standard output and standard error, coloured where that is wanted.

    `color` is ``auto``, ``always`` or ``never``; ``auto`` means on a terminal, unless TERM is ``dumb``, and
    everywhere where FORCE_COLOR is set and not 0, but never where NO_COLOR is. In `json` mode nothing but
    `give_json` writes to standard output, elsewhere it does not. A `quiet` console says only errors and what
    was asked for, a `verbose` one is told more.
    """

    def __init__(
        self,
        *,
        color: str = "auto",
        json: bool = False,
        quiet: bool = False,
        verbose: bool = False,
        environment: Mapping[str, str] = os.environ,
    ) -> None:
        self.json = json
        self.quiet = quiet
        self.verbose: bool = verbose and not quiet
        self._described: list[HermpkgError] = []
        self._is_aside = False
        self._color_output = wants_color(sys.stdout, color, environment)
        self.color_errors: bool = wants_color(sys.stderr, color, environment)

    def say(self, *pieces: str | Styled) -> None:
        """Print the pieces of a line of the command's result."""
        if not self.json:
            print(joined(pieces, self._color_output), file=sys.stdout)

    def say_all(self, lines: Iterable[str]) -> None:
        """Print lines of the command's result, of which there can be very many."""
        if self.json:
            return
        for start in range(0, len(found := list(lines)), _AT_ONCE):
            part = found[start : start + _AT_ONCE]
            if not "".join(part).isprintable():
                part = [one_line(line) for line in part]
            print("\n".join(part), file=sys.stdout)

    def mention(self, *pieces: str | Styled) -> None:
        """Print a line of the result that a quiet command leaves out."""
        if self._is_aside and not (self.quiet or self.json):
            self._print_error(pieces)
        elif not (self.quiet or self._is_aside):
            self.say(*pieces)

    def aside(self) -> Console:
        """Return this console for steps to the result: what they mention goes to standard error."""
        console = copy(self)
        console._is_aside = True
        return console

    def give_json(self, value: Json) -> None:
        """Print the one object that a command gives in JSON mode."""
        if self.json:
            import json

            text = strict_json(json.dumps(value, indent=2, allow_nan=False))
            print(text, file=sys.stdout, flush=True)  # A server goes on, and its reader waits for the port.

    def note(self, text: str) -> None:
        """Print something for people only, on standard error; its further lines are indented."""
        if not self.quiet:
            self._print_error(*_lines_of(text))

    def warn(self, text: str) -> None:
        """Print something that the user should know although it is no error."""
        first, *rest = _lines_of(text)
        self._print_error([("warning:", _YELLOW), " ", *first], *rest)

    def describe(self, error: HermpkgError) -> None:
        """Print the whole of an error on standard error; of a group only those not printed before."""
        text = error.render()
        if self._described and isinstance(error, GroupedError):
            new = [each for each in error.errors if not any(each is known for known in self._described)]
            text = "\n\n".join([*(each.render() for each in new), HermpkgError.render(error)])
        self._described.append(error)
        lines = [[_coloured(line)] for line in text.split("\n")]
        self._print_error([("error:", _RED), " ", *lines[0]], *lines[1:])

    def _print_error(self, *lines: Sequence[str | Styled]) -> None:
        """Print lines to standard error; where even that is closed there is no one to tell."""
        if sys.stderr is None:
            return  # print() would take None for standard output
        try:
            text = "\n".join(joined(_clipped(line), self.color_errors) for line in lines)
            print(text, file=sys.stderr, flush=True)
        except (OSError, ValueError):
            return


def _clipped(line: Sequence[str | Styled]) -> Iterator[str | Styled]:
    """Shorten what is far too long to be read, such as a name of a megabyte in a BUILD file."""
    for piece in line:
        yield (
            clipped(piece, _LONGEST) if isinstance(piece, str) else (clipped(piece[0], _LONGEST), piece[1])
        )


def _coloured(line: str) -> str | Styled:
    """A line of an error; the next step has a colour."""
    return (line, _CYAN) if line.lstrip().startswith("-> ") else line


def _lines_of(text: str) -> list[list[str | Styled]]:
    """The lines of a text, of which only the first begins where our own lines do."""
    lines = text.splitlines() or [""]
    return [
        [line if line.startswith(" ") or not number else f"  {line}"] for number, line in enumerate(lines)
    ]


def location_json(location: Location | None) -> Json:
    """Return the fields of a place in a source file; None where it is not known."""
    from dataclasses import asdict

    return None if location is None else asdict(location)


def error_json(error: HermpkgError) -> dict[str, Json]:
    """Return an error as the fields that ``--json`` prints."""
    value: dict[str, Json] = {
        "kind": type(error).__name__,
        "summary": error.summary,
        "exit_code": int(error.exit_code),
        "location": location_json(error.location),
        "facts": [{"name": name, "value": text} for name, text in error.facts],
        "snippet": error.snippet,
        "next_step": error.next_step,
    }
    if isinstance(error, GroupedError):
        value["errors"] = [error_json(each) for each in error.errors]
    return value
