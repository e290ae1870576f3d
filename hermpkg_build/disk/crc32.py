"""The CRC-32 of large buffers, by zlib-ng where that is installed, and of two pieces from those of each."""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermpkg_build.core.digest import Bytes, Checksum

_LARGE = 64 << 10
"""Below this many bytes it does not matter who computes, and nothing is imported for it."""

_POLYNOMIAL = 0xEDB88320
_ONE = 1 << 31
"""The polynomial 1: as everywhere here, the highest bit is the coefficient of the lowest power."""

_BYTE = _ONE >> 8
"""x to the power of eight, by which each byte that follows multiplies what was there before."""


def quick_crc32(data: Bytes, value: int = 0) -> int:
    """Return what ``zlib.crc32`` does; zlib-ng, if it is there, takes a fifth of the time for large buffers.

    It is imported then: not for processes in which a factory's imports, or an artifact's, are observed.

    >>> quick_crc32(b"123456789") == zlib.crc32(b"123456789") == 0xCBF43926
    True
    """
    if len(data) < _LARGE:
        return zlib.crc32(data, value)
    return _for_large()(data, value)


def crc32_of_both(first: int, second: int, size: int) -> int:
    """Return the CRC-32 of two pieces, one behind the other, from those of each and the second one's size.

    >>> crc32_of_both(zlib.crc32(b"1234"), zlib.crc32(b"56789"), 5) == zlib.crc32(b"123456789")
    True
    """
    if not first:
        return second  # as of nothing, where there is only one piece
    return _product(first, _shift(size)) ^ second


@lru_cache(maxsize=64)
def _shift(size: int) -> int:
    """Return x to the power of eight times `size`: most pieces are of few sizes."""
    factor, power = _ONE, _BYTE
    while size:
        if size & 1:
            factor = _product(factor, power)
        power = _product(power, power)
        size >>= 1
    return factor


def _product(a: int, b: int) -> int:
    """Multiply two polynomials over the field of two elements, modulo that of the CRC."""
    result = 0
    while a:
        if a & _ONE:
            result ^= b
        a = (a << 1) & 0xFFFFFFFF
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return result


def is_quick() -> bool:
    """Whether checksums of large buffers take little time next to all else that is done with them."""
    return _for_large() is not zlib.crc32


@lru_cache(maxsize=1)
def _for_large() -> Checksum:
    try:
        from zlib_ng.zlib_ng import crc32 as quick
    except ImportError:
        return zlib.crc32
    found: Checksum = quick
    return found
