"""Compares the elements of two tensors: how many differ, where the first is, and the largest difference."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable, Sequence
from typing import Any

from hermpkg_build.archive.pieces import PIECE
from hermpkg_build.dataclass import dataclass
from hermpkg_build.inspection.mapped_pieces import pieces
from hermpkg_build.pickles.reading.tensors import ELEMENT_SIZES

_FORMATS = {
    "bool": "B",
    "uint8": "B",
    "int8": "b",
    "uint16": "H",
    "int16": "h",
    "uint32": "I",
    "int32": "i",
    "uint64": "Q",
    "int64": "q",
    "float16": "e",
    "float32": "f",
    "float64": "d",
    "complex64": "f",
    "complex128": "d",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ElementDifferences:
    """`count` of `total` elements differ in their bits; `first` is the index of the first of them.

    `largest` is the largest absolute difference, None where none is a finite number, as `unending` of them
    are none: one of the two is NaN or infinite, or the dtype is unknown.
    """

    count: int
    total: int
    first: int | None = None
    largest: float | None = None
    unending: int = 0


def compare_elements(a: memoryview, b: memoryview, dtype: str, *, size: int = 0) -> ElementDifferences:
    """Compare two little-endian buffers of equal length, a chunk at a time.

    `size` is the number of bytes of an element whose dtype is not in ELEMENT_SIZES; the largest difference of
    such elements is None. With numpy, where it is installed, the result is the same and comes sooner.
    Raises ValueError for buffers of different lengths.
    """
    if len(a) != len(b):
        raise ValueError(f"{len(a)} bytes cannot be compared with {len(b)}")
    width = ELEMENT_SIZES.get(dtype) or size or 1
    total = len(a) // width
    count, finite, first = 0, 0, None
    largest: float | None = None
    for number, (x, y) in enumerate(zip(pieces(a), pieces(b), strict=True)):
        left, right = bytes(x), bytes(y)
        if left == right:
            continue
        compare = _compare_plain if _numpy() is None else _compare_with_numpy
        found, known, where, by = compare(left, right, dtype, width)
        count += found
        finite += known
        if first is None and where is not None:
            first = number * PIECE // width + where
        if by is not None:
            largest = by if largest is None else max(largest, by)
    return ElementDifferences(count=count, total=total, first=first, largest=largest, unending=count - finite)


_Found = tuple[int, int, "int | None", "float | None"]
"""How many elements differ, and how many of them by a finite number; the first; the largest difference."""


def _compare_plain(left: bytes, right: bytes, dtype: str, width: int) -> _Found:
    different = [
        place
        for place in range(len(left) // width)
        if left[place * width : (place + 1) * width] != right[place * width : (place + 1) * width]
    ]
    if not different:
        return 0, 0, None, None
    parts = [slice(place * width, (place + 1) * width) for place in different if dtype in ELEMENT_SIZES]
    distances = [_distance(_numbers(left[part], dtype), _numbers(right[part], dtype)) for part in parts]
    finite = [distance for distance in distances if distance is not None]
    return len(different), len(finite), different[0], max(finite, default=None)


def _numbers(data: bytes, dtype: str) -> Sequence[float]:
    if dtype == "bfloat16":
        # The upper half of a float32.
        return struct.unpack("<f", b"\0\0" + data)
    return struct.unpack(f"<{len(data) // struct.calcsize(_FORMATS[dtype])}{_FORMATS[dtype]}", data)


def _distance(left: Iterable[float], right: Iterable[float]) -> float | None:
    """Return the distance of two numbers, complex ones as points of the plane; None where not finite."""
    steps = [x - y for x, y in zip(left, right, strict=True)]
    distance = float(abs(steps[0])) if len(steps) == 1 else math.hypot(*steps)
    return distance if math.isfinite(distance) else None


def _compare_with_numpy(left: bytes, right: bytes, dtype: str, width: int) -> _Found:
    numpy = _numpy()
    rows = [numpy.frombuffer(data, numpy.uint8)[: len(data) // width * width] for data in (left, right)]
    changed = (rows[0].reshape(-1, width) != rows[1].reshape(-1, width)).any(axis=1)
    places = numpy.flatnonzero(changed)
    if not len(places):
        return 0, 0, None, None
    known, largest = 0, None
    if dtype in ELEMENT_SIZES:
        with numpy.errstate(all="ignore"):
            x, y = (_array(numpy, data, dtype)[places] for data in rows)
            distances = abs(x - y).astype("f8")
        finite = distances[numpy.isfinite(distances)]
        known = len(finite)
        if known:
            largest = float(finite.max())
    return int(changed.sum()), known, int(places[0]), largest


def _array(numpy: Any, data: Any, dtype: str) -> Any:
    """Return the numbers in double precision, in which they are subtracted."""
    if dtype == "bfloat16":
        wide = data.view("<u2").astype("<u4") << 16
        return wide.view("<f4").astype("f8")
    if dtype.startswith("complex"):
        return data.view("<c8" if dtype == "complex64" else "<c16").astype("c16")
    if dtype in ("int64", "uint64"):
        # Neither doubles nor the integers themselves hold every difference of two of these.
        return data.view("<i8" if dtype == "int64" else "<u8").astype("O")
    return data.view("<" + {"bool": "u1"}.get(dtype, numpy.dtype(dtype).str[1:])).astype("f8")


def _numpy() -> Any:
    """Return the module numpy, None where it is not installed."""
    try:
        import numpy
    except ImportError:
        return None
    return numpy
