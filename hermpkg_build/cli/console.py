"""What a command says: lines or one JSON object on standard output, everything else on standard error.

All text becomes output here, and only here are its control characters made harmless.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, TextIO, TypeAlias

from hermpkg_build.errors import GroupedError, HermpkgError, Location

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json

_RESET = "\x1b[0m"
_RED = "\x1b[1;31m"
_YELLOW = "\x1b[1;33m"
_CYAN = "\x1b[36m"

Styled: TypeAlias = "tuple[str, str]"
"""A text and the escape sequence of its colour."""


def good(text: str) -> Styled:
    """Give `text` the colour of success."""
    return text, "\x1b[32m"


def bad(text: str) -> Styled:
    """Give `text` the colour of failure."""
    return text, _RED


def strong(text: str) -> Styled:
    """Print `text` in bold."""
    return text, "\x1b[1m"


def faint(text: str) -> Styled:
    """Print `text` dimmed."""
    return text, "\x1b[2m"


class Console:
    """Standard output and standard error, coloured where that is wanted.

    `color` is ``auto``, ``always`` or ``never``; ``auto`` means on a terminal, unless NO_COLOR is set or
    TERM is ``dumb``. In `json` mode nothing but `give_json` writes to standard output, elsewhere it does
    not. A `quiet` console says only errors and what was asked for, a `verbose` one is told more.
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
        self.verbose = verbose and not quiet
        self._color_output = _wants_color(sys.stdout, color, environment)
        self.color_errors = _wants_color(sys.stderr, color, environment)

    def say(self, *pieces: str | Styled) -> None:
        """Print the pieces of one or more lines of the command's result."""
        if not self.json:
            print(_joined(pieces, self._color_output), file=sys.stdout)

    def mention(self, *pieces: str | Styled) -> None:
        """Print a line of the result that a quiet command leaves out."""
        if not self.quiet:
            self.say(*pieces)

    def give_json(self, value: Json) -> None:
        """Print the one object that a command gives in JSON mode."""
        if self.json:
            import json

            print(json.dumps(value, indent=2, allow_nan=False), file=sys.stdout)

    def note(self, text: str) -> None:
        """Print a line for people only, on standard error."""
        if not self.quiet:
            self._print_error(text)

    def warn(self, text: str) -> None:
        """Print something that the user should know although it is no error."""
        self._print_error(("warning:", _YELLOW), f" {text}")

    def describe(self, error: HermpkgError) -> None:
        """Print the whole of an error on standard error."""
        pieces: list[str | Styled] = [("error:", _RED)]
        for number, line in enumerate(error.render().split("\n")):
            pieces.append("\n" if number else " ")
            pieces.append((line, _CYAN) if line.lstrip().startswith("-> ") else line)
        self._print_error(*pieces)

    def _print_error(self, *pieces: str | Styled) -> None:
        """Print to standard error; where even that is closed there is no one to tell."""
        if sys.stderr is None:
            return  # print() would take None for standard output
        try:
            print(_joined(pieces, self.color_errors), file=sys.stderr, flush=True)
        except (OSError, ValueError):
            return


def _joined(pieces: Iterable[str | Styled], color: bool) -> str:
    return "".join(_shown(piece, color) for piece in pieces)


def _shown(piece: str | Styled, color: bool) -> str:
    text, style = (piece, "") if isinstance(piece, str) else piece
    return f"{style}{printable(text)}{_RESET}" if style and color else printable(text)


def printable(text: str) -> str:
    """Escape the control characters in `text` that could steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" or ord(c) > 0x9F else f"\\x{ord(c):02x}" for c in text)


def location_json(location: Location | None) -> Json:
    """Return the fields of a place in a source file; None where it is not known."""
    return None if location is None else asdict(location)


def size_text(count: int) -> str:
    """Write a number of bytes for people, in powers of ten.

    >>> size_text(46_827_351)
    '46.8 MB'
    """
    if count < 1000:
        return f"{count} B"
    size = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} PB"


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


def _wants_color(stream: TextIO | None, color: str, environment: Mapping[str, str]) -> bool:
    if color != "auto":
        return color == "always"
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    try:
        return stream is not None and os.isatty(stream.fileno())
    except (OSError, ValueError):
        return False
