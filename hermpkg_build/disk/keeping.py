"""Keeps files that a command writes from taking the place of an input, or of a file of another kind."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable

from hermpkg_build.core.file_kinds import FileKind

_FIRST = 1 << 16
_LAST = 1 << 20


def why_not_replaced(path: str, kind: FileKind, inputs: Iterable[str] = ()) -> str:
    """Say why a file of a kind must not be written to `path`, "" where it may.

    It may where there is no file, or one that is empty or of this kind, unless it is one of the `inputs`
    by whatever name. Of folders, devices and pipes whoever writes tells.
    """
    try:
        there = os.stat(path)
        if not stat.S_ISREG(there.st_mode):
            return ""
        for other in inputs:
            if _is_at(there, other):
                return f"it is {other}, which the command has another use for"
        if not there.st_size or kind.is_that_of(_ends(path), path):
            return ""
    except (FileNotFoundError, NotADirectoryError):
        return ""
    except (OSError, ValueError) as error:
        return f"what is there cannot be read: {getattr(error, 'strerror', None) or error}"
    return f"there is a file already, which is not {kind.name}"


def _is_at(there: os.stat_result, other: str) -> bool:
    try:
        return os.path.samestat(there, os.stat(other))
    except (OSError, ValueError):  # a label, or no path at all
        return False


def _ends(path: str) -> bytes:
    """Return the first and the last bytes of a file."""
    with open(path, "rb") as file:
        first = file.read(_FIRST)
        rest = os.fstat(file.fileno()).st_size - len(first)
        file.seek(-min(rest, _LAST), os.SEEK_END)
        return first + file.read(_LAST)
