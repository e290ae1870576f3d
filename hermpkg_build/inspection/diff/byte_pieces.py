"""Reads buffers of any size in pieces, and finds the first byte in which two of them differ."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

PIECE = 1 << 20
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
    if isinstance(view.obj, mmap.mmap) and view.readonly and hasattr(mmap, "MADV_DONTNEED"):
        # The pages stay in the system's cache, from which they come back when they are read again.
        view.obj.madvise(mmap.MADV_DONTNEED)


def first_difference(a: memoryview, b: memoryview) -> int | None:
    """Return the offset of the first byte that differs, or the shorter length; None for equal buffers."""
    shorter = min(len(a), len(b))
    start = 0
    for left, right in zip(pieces(a[:shorter]), pieces(b[:shorter]), strict=True):
        if bytes(left) != bytes(right):
            return start + _within(bytes(left), bytes(right))
        start += PIECE
    return None if len(a) == len(b) else shorter


def _within(left: bytes, right: bytes) -> int:
    """Return the place of the first difference of two unequal pieces, by halving."""
    low, high = 0, len(left)
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] != right[low:middle]:
            high = middle
        else:
            low = middle
    return low
