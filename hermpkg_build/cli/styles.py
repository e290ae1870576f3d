"""Pieces of a line and their colours. Start-up imports this file, so that it imports next to nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping

from hermpkg_build.printable import one_line

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TextIO

_RESET = "\x1b[0m"

Styled = tuple[str, str]
"""A text and the escape sequence of its colour."""


def good(text: str) -> Styled:
    """Give `text` the colour of success."""
    return text, "\x1b[32m"


def bad(text: str) -> Styled:
    """Give `text` the colour of failure."""
    return text, "\x1b[1;31m"


def strong(text: str) -> Styled:
    """Print `text` in bold."""
    return text, "\x1b[1m"


def faint(text: str) -> Styled:
    """Print `text` dimmed."""
    return text, "\x1b[2m"


def joined(pieces: Iterable[str | Styled], color: bool) -> str:
    """Return the line of `pieces`, with their colours where `color` says so."""
    return "".join(_shown(piece, color) for piece in pieces)


def _shown(piece: str | Styled, color: bool) -> str:
    text, style = (piece, "") if isinstance(piece, str) else piece
    return f"{style}{one_line(text)}{_RESET}" if style and color else one_line(text)


def wants_color(stream: TextIO | None, color: str, environment: Mapping[str, str]) -> bool:
    """Whether lines on `stream` have colours, where ``always``, ``never`` or ``auto`` was chosen."""
    if color != "auto":
        return color == "always"
    if environment.get("NO_COLOR"):
        return False
    if environment.get("FORCE_COLOR", "0") not in ("", "0"):
        return True
    if environment.get("TERM") == "dumb":
        return False
    try:
        return stream is not None and os.isatty(stream.fileno())
    except (OSError, ValueError):
        return False
