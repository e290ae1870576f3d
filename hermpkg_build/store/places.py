"""Frees the places of entries of the cache from what is there and is no entry."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

from hermpkg_build.disk.replacing import aside_path
from hermpkg_build.store.failures import log_corrupt


def put_in_place(path: str, aside: str, put: Callable[[], None]) -> None:
    """Call `put`, which puts a file at `path`; where something else is there, move that into `aside` first.

    That is a folder, a pipe or a device in the place of the file, and a file or a link to nowhere in that of
    its folder. Raises OSError, as `put` does, for everything else.
    """
    try:
        put()
    except OSError:
        if not _freed(path, aside):
            raise
        put()


def _freed(path: str, aside: str) -> bool:
    """Move away what is in the way; whether there was anything."""
    folder = os.path.dirname(path)
    if os.path.lexists(folder) and not os.path.isdir(folder):
        wrong = folder
    elif os.path.lexists(path) and not stat.S_ISREG(os.lstat(path).st_mode):
        wrong = path
    else:
        return False
    log_corrupt("place of an entry", wrong)
    os.makedirs(aside, exist_ok=True)
    os.rename(wrong, aside_path(aside))
    return True
