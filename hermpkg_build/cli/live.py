"""Lines at the bottom of a terminal that are drawn again and again, while other output appears above them."""

from __future__ import annotations

import os
import sys
import threading
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

from hermpkg_build.engine.observer import DRAWING

_PERIOD_S = 0.1
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_ERASE_BELOW = "\r\x1b[J"


class LiveLines:
    """Lines on standard error, which must be a terminal.

    `lines` gives them as they are now, for so many columns and at most so many rows; it is called in another
    thread. Whoever prints meanwhile does so in the context `aside`. To be stopped at the end.
    """

    def __init__(self, lines: Callable[[int, int], list[str]]) -> None:
        self._lines = lines
        self._shown = 0
        self._last: list[str] = []
        self._hides_cursor = False
        self._lock = threading.RLock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Show the lines from a moment after now on, so that what is done at once leaves no flicker."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._redraw, name=DRAWING, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Let the lines go."""
        if self._thread is not None and not self._stopped.is_set():
            with self._lock:
                self._stopped.set()
                self._write(self._erasing() + _SHOW_CURSOR * self._hides_cursor)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """A context in which other output appears, above the lines."""
        with self._lock:
            is_live = self._shown > 0
            if is_live:
                self._write(self._erasing())
            yield
            if is_live:
                if sys.stdout is not None:
                    sys.stdout.flush()
                self._draw()

    def _redraw(self) -> None:
        while not self._stopped.wait(_PERIOD_S):
            with self._lock:
                if not self._stopped.is_set():
                    self._draw()

    def _draw(self) -> None:
        if not self._hides_cursor:
            self._hides_cursor = True
            self._write(_HIDE_CURSOR)
        columns, rows = _size_of_terminal(os.environ)
        # A line as wide as the terminal would make some wrap it.
        lines = [cut_to(line, columns - 1) for line in self._lines(columns - 1, max(1, rows - 2))]
        if not self._shown or lines != self._last:
            self._write(self._erasing() + "\n".join(lines))
            self._last, self._shown = lines, len(lines)

    def _erasing(self) -> str:
        up = f"\x1b[{self._shown - 1}A" if self._shown > 1 else ""
        text = f"{up}{_ERASE_BELOW}" if self._shown else ""
        self._shown = 0
        return text

    @staticmethod
    def _write(text: str) -> None:
        if sys.stderr is not None:
            with suppress(OSError, ValueError):
                sys.stderr.write(text)
                sys.stderr.flush()


def cut_to(line: str, columns: int) -> str:
    """Cut a line so that a terminal shows it in so many columns; Chinese and others take two a character.

    >>> cut_to("making //models:resnet", 12), cut_to("做模型", 5)
    ('making //mo…', '做模…')
    """
    width = 0
    for index, character in enumerate(line):
        width += _width_of(character)
        if width > columns - 1 and sum(map(_width_of, line)) > columns:
            return line[:index] + "…"
    return line


def _width_of(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def _size_of_terminal(environment: Mapping[str, str]) -> tuple[int, int]:
    """Return the columns and rows of the terminal, with those of the environment where it does not tell."""
    try:
        size = os.get_terminal_size(2)
    except OSError:
        size = os.terminal_size((0, 0))
    columns = environment.get("COLUMNS", "")
    known = int(columns) if columns.isascii() and columns.isdigit() else 0
    return max(size.columns or known or 80, 20), max(size.lines or 24, 3)
