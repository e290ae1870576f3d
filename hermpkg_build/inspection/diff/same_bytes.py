"""Reads buffers of any size piece by piece, and finds where two of them begin to differ."""

from __future__ import annotations

import mmap
from collections.abc import Iterator

PIECE = 1 << 20
_KEPT = 64 << 20


def pieces(view: memoryview) -> Iterator[memoryview]:
    """`view` in pieces of one MiB, the last one shorter.

    What has been read of a mapped file is let go of now and then, so that reading ten gigabytes never
    takes more memory than a few pieces do.
    """
    for start in range(0, len(view), PIECE):
        yield view[start : start + PIECE]
        if start % _KEPT == _KEPT - PIECE:
            _let_go(view)
    _let_go(view)


def _let_go(view: memoryview) -> None:
    if isinstance(view.obj, mmap.mmap) and view.readonly and hasattr(mmap, "MADV_DONTNEED"):
        # The pages stay in the system's cache, and come back where they are read again.
        view.obj.madvise(mmap.MADV_DONTNEED)


def first_difference(a: memoryview, b: memoryview) -> int | None:
    """The offset of the first byte that differs, that where the shorter ends, or None for equal buffers."""
    shorter = min(len(a), len(b))
    start = 0
    for left, right in zip(pieces(a[:shorter]), pieces(b[:shorter]), strict=True):
        if bytes(left) != bytes(right):
            return start + _within(bytes(left), bytes(right))
        start += PIECE
    return None if len(a) == len(b) else shorter


def _within(left: bytes, right: bytes) -> int:
    """The place of the first difference of two unequal chunks, by halving."""
    low, high = 0, len(left)
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] != right[low:middle]:
            high = middle
        else:
            low = middle
    return low
