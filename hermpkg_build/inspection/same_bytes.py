"""Where two buffers of any size begin to differ, found without a copy of either."""

from __future__ import annotations

_CHUNK = 1 << 20


def first_difference(a: memoryview, b: memoryview) -> int | None:
    """The offset of the first byte that differs, that where the shorter ends, or None for equal buffers."""
    shorter = min(len(a), len(b))
    for start in range(0, shorter, _CHUNK):
        stop = min(start + _CHUNK, shorter)
        left, right = bytes(a[start:stop]), bytes(b[start:stop])
        if left != right:
            return start + _within(left, right)
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
