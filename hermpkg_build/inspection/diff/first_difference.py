"""Finds the first byte in which two buffers of any size differ."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import zip_longest

from hermpkg_build.archive.pieces import PIECE
from hermpkg_build.disk.all_cores import Job, on_all_cores
from hermpkg_build.inspection.mapped_pieces import pieces


def first_difference(a: memoryview, b: memoryview) -> int | None:
    """Return the offset of the first byte that differs, or the shorter length; None for equal buffers."""
    return first_difference_of_pieces(pieces(a), pieces(b))


def first_difference_of_pieces(a: Iterable[memoryview], b: Iterable[memoryview]) -> int | None:
    """Return what `first_difference` does for two buffers in pieces, of which all but the last are full."""
    return on_all_cores([find_difference(a, b)])[0]


def find_difference(a: Iterable[memoryview], b: Iterable[memoryview]) -> Job[int | None]:
    """Return what `first_difference_of_pieces` does, as a job of `on_all_cores`."""
    nothing = memoryview(b"")
    # A bytearray is compared with any buffer by memcmp(3); two memoryviews are, byte after byte.
    buffer = bytearray()
    start = 0
    for left, right in zip_longest(a, b, fillvalue=nothing):
        if len(left) == len(right) == PIECE:
            buffer[:] = left
            is_same = buffer == right
        else:
            is_same = bytes(left) == bytes(right)
        if not is_same:
            shorter = min(len(left), len(right))
            return start + _within(bytes(left[:shorter]), bytes(right[:shorter]))
        start += PIECE
        yield
    return None


def _within(left: bytes, right: bytes) -> int:
    """Return the place of the first difference of two pieces of one length, by halving; else that length."""
    if left == right:
        return len(left)
    low, high = 0, len(left)
    while high - low > 1:
        middle = (low + high) // 2
        if left[low:middle] != right[low:middle]:
            high = middle
        else:
            low = middle
    return low
