"""Reads mapped files of any size in pieces."""

from __future__ import annotations

import mmap
import sys
from collections.abc import Iterator

from hermpkg_build.archive.pieces import PIECE

_KEPT = 64 << 20


def pieces(view: memoryview) -> Iterator[memoryview]:
    """Return `view` in pieces of one MiB, the last one shorter.

    Pages of a mapped file that have been read are released now and then, so that reading ten gigabytes takes
    no more memory than a few pieces do.
    """
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]
        if start % _KEPT == _KEPT - PIECE:
            _let_go(view)
    _let_go(view)


def _let_go(view: memoryview) -> None:
    if sys.platform != "win32" and isinstance(view.obj, mmap.mmap) and view.readonly:
        # The pages stay in the system's cache, from which they come back when they are read again.
        view.obj.madvise(mmap.MADV_DONTNEED)
