"""How much processor time BUILD and .bzl files may take, in this process and in that of the interpreter."""

from __future__ import annotations

import time
from typing import Final

from hermpkg_build.loading.interpreter_main import MOST_CPU_S

FOR_ANY_MS: Final = 10
"""What all files may take together is as much as one may, and so many milliseconds more for each of them"""

FOR_KIB_MS: Final = 10
"""and for each KiB of their text."""


class FileTakesTooLongError(Exception):
    """A file took more time than one file may. Never leaves `loading`."""


class AllTakeTooLongError(Exception):
    """The files that were evaluated took more time than they may together. Never leaves `loading`."""


class Allowance:
    """The time that the files of one workspace may take, which are evaluated one after the other.

    It is that of the thread that asks, and what the interpreter says of its own.
    """

    def __init__(self) -> None:
        self._left = float(MOST_CPU_S)
        self._began = 0.0
        self._most = float(MOST_CPU_S)
        self._there = 0.0

    def begin(self, size: int, most: float) -> None:
        """Begin with a file of `size` bytes, which may take `most` seconds."""
        self._left += (FOR_ANY_MS + FOR_KIB_MS * size / 1024) / 1000
        self._began = time.thread_time()
        self._most = most
        self._there = 0.0

    def end(self) -> None:
        """Take what the file took from what others may."""
        self._left -= self._taken()

    def interpreter_took(self, seconds: float) -> None:
        """Take in what the interpreter has needed for the file so far."""
        self._there = seconds

    def check(self) -> None:
        """Raise FileTakesTooLongError or AllTakeTooLongError where there is no time left."""
        taken = self._taken()
        if taken > self._most:
            raise FileTakesTooLongError
        if taken > self._left:
            raise AllTakeTooLongError

    def _taken(self) -> float:
        return time.thread_time() - self._began + self._there
