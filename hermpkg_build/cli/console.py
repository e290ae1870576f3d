"""What a command says: lines or one JSON object on standard output, everything else on standard error."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import TextIO

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.errors import GroupedError, HermpkgError

_BOLD = "\x1b[1m"
_RED = "\x1b[1;31m"
_YELLOW = "\x1b[1;33m"
_GREEN = "\x1b[32m"
_CYAN = "\x1b[36m"
_DIM = "\x1b[2m"
_RESET = "\x1b[0m"


class Console:
    """Standard output and standard error, coloured where that is wanted.

    `color` is ``auto``, ``always`` or ``never``; ``auto`` means on a terminal, unless NO_COLOR is set or
    TERM is ``dumb``. In `json` mode nothing but `give_json` writes to standard output.
    """

    def __init__(self, *, color: str, json: bool, quiet: bool, environment: Mapping[str, str]) -> None:
        self.json = json
        self.quiet = quiet
        self._color_out = _wants_color(sys.stdout, color, environment)
        self.color_errors = _wants_color(sys.stderr, color, environment)

    def say(self, text: str) -> None:
        """One or more lines of the command's result; what others wrote goes through `printable` first."""
        if not self.json:
            print(text, file=sys.stdout)

    def mention(self, text: str) -> None:
        """A line of the result that a quiet command leaves out."""
        if not self.quiet:
            self.say(text)

    def give_json(self, value: Json) -> None:
        """The one object that a command gives in JSON mode."""
        import json

        print(json.dumps(value, indent=2, allow_nan=False), file=sys.stdout)

    def note(self, text: str) -> None:
        """A line for people only, on standard error."""
        if not self.quiet:
            _to_errors(printable(text))

    def warn(self, text: str) -> None:
        """Something the user should know that is no error."""
        _to_errors(self._marked("warning:", _YELLOW, self.color_errors) + " " + printable(text))

    def show_error(self, error: HermpkgError) -> None:
        """The whole of an error; in JSON mode also as the object on standard output."""
        self.describe(error)
        if self.json:
            self.give_json({"error": error_json(error)})

    def describe(self, error: HermpkgError) -> None:
        """The whole of an error on standard error, as a part of a result that tells of several."""
        _to_errors(self._rendered(error))

    def _rendered(self, error: HermpkgError) -> str:
        text = printable(error.render())
        head = self._marked("error:", _RED, self.color_errors)
        if not self.color_errors:
            return f"{head} {text}"
        lines = [
            self._marked(line, _CYAN, True) if line.lstrip().startswith("-> ") else line
            for line in text.splitlines()
        ]
        return f"{head} " + "\n".join(lines)

    def good(self, text: str) -> str:
        """`text` in the colour of success on standard output."""
        return self._marked(text, _GREEN, self._color_out)

    def bad(self, text: str) -> str:
        """`text` in the colour of failure on standard output."""
        return self._marked(text, _RED, self._color_out)

    def strong(self, text: str) -> str:
        """`text` emphasised on standard output."""
        return self._marked(text, _BOLD, self._color_out)

    def faint(self, text: str) -> str:
        """`text` held back on standard output."""
        return self._marked(text, _DIM, self._color_out)

    @staticmethod
    def _marked(text: str, style: str, wanted: bool) -> str:
        return f"{style}{text}{_RESET}" if wanted else text


def error_json(error: HermpkgError) -> dict[str, Json]:
    """An error as fields."""
    value: dict[str, Json] = {
        "kind": type(error).__name__,
        "summary": error.summary,
        "exit_code": int(error.exit_code),
        "location": None,
        "facts": [{"name": name, "value": text} for name, text in error.facts],
        "snippet": error.snippet,
        "next_step": error.next_step,
    }
    if error.location is not None:
        place = error.location
        value["location"] = {"path": place.path, "line": place.line, "column": place.column}
    if isinstance(error, GroupedError):
        value["errors"] = [error_json(each) for each in error.errors]
    return value


def size_text(count: int) -> str:
    """A number of bytes for people, in powers of ten: ``46.8 MB``."""
    if count < 1000:
        return f"{count} B"
    size = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        size /= 1000
        if size < 999.95:
            return f"{size:.1f} {unit}"
    return f"{size / 1000:.1f} PB"


def _wants_color(stream: TextIO | None, color: str, environment: Mapping[str, str]) -> bool:
    if color != "auto":
        return color == "always"
    if environment.get("NO_COLOR") or environment.get("TERM") == "dumb":
        return False
    try:
        return stream is not None and os.isatty(stream.fileno())
    except (OSError, ValueError):
        return False


def _to_errors(text: str) -> None:
    """Print to standard error; where even that is closed there is no one to tell."""
    if sys.stderr is None:
        return  # print() would take None for standard output
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError):
        return


def printable(text: str) -> str:
    """`text` with those control characters escaped that steer a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in "\n\t" or ord(c) > 0x9F else f"\\x{ord(c):02x}" for c in text)
