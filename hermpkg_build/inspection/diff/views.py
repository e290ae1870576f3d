"""Compares the elements of two tensors of one shape, however these lie in their storages."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from math import prod

from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.inspection.diff.elements import ElementDifferences, compare_elements
from hermpkg_build.pickles.reading.tensors import Tensor

_FEW = 100_000
"""So many elements are looked at in any case."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Dimension:
    """A dimension of the tensors: how many indices it has, and how far apart the elements of two of them are.

    That is `below` in the order of indices, and `steps` in either storage.
    """

    length: int
    below: int
    steps: tuple[int, ...]


def compare_views(data: Sequence[memoryview], tensors: Sequence[Tensor], size: int) -> ElementDifferences:
    """Compare tensors of one type and shape; `data` are the bytes from the first element of each to its last.

    What lies between elements does not count. `size` is the bytes of an element. `first` is its place in the
    order of indices. Where more indices lead to the elements than can be looked at, these are compared as
    they are stored, if they are as many, and `first` is None.
    """
    a, b = tensors
    if a.is_contiguous and b.is_contiguous:
        return compare_elements(data[0], data[1], a.dtype, size=size)
    dimensions = [
        _Dimension(length=length, below=prod(a.shape[place + 1 :]), steps=tuple(steps))
        for place, (length, *steps) in enumerate(zip(a.shape, a.stride, b.stride, strict=True))
        if length > 1 and any(steps)
    ]
    looked_at = prod(each.length for each in dimensions)
    total = prod(a.shape)
    if looked_at > max(_FEW, *(len(each) // size for each in data)):
        if len(data[0]) != len(data[1]):
            return ElementDifferences(count=0, total=total)
        return replace(compare_elements(data[0], data[1], a.dtype, size=size), first=None)
    count, unending, places, distances = 0, 0, list[int](), list[float]()
    *outer, inner = sorted(dimensions, key=lambda each: each.length) or [
        _Dimension(length=1, below=1, steps=(0, 0))
    ]
    for indices in product(*(range(each.length) for each in outer)):
        left, right = (
            _row(
                view,
                sum(i * each.steps[side] for i, each in zip(indices, outer, strict=True)),
                inner,
                side,
                size,
            )
            for side, view in enumerate(data)
        )
        found = compare_elements(memoryview(left), memoryview(right), a.dtype, size=size)
        if found.first is None:
            continue
        count += found.count
        unending += found.unending
        place = sum(i * each.below for i, each in zip(indices, outer, strict=True))
        places.append(place + found.first * inner.below)
        distances += [] if found.largest is None else [found.largest]
    often = total // looked_at if looked_at else 1
    return ElementDifferences(
        count=count * often,
        total=total,
        first=min(places, default=None),
        largest=max(distances, default=None),
        unending=unending * often,
    )


def _row(view: memoryview, start: int, dimension: _Dimension, side: int, size: int) -> bytes:
    """Return the elements along a dimension, one after the other."""
    length, step = dimension.length, dimension.steps[side]
    if not step:
        return bytes(view[start * size : (start + 1) * size]) * length
    stop = start + (length - 1) * step + 1
    words = _words(view.cast("B"), size)
    if words is not None:
        return words[start:stop:step].tobytes()
    return b"".join(view[place * size : (place + 1) * size] for place in range(start, stop, step))


def _words(view: memoryview, size: int) -> memoryview | None:
    """Return a view of the elements of one of the usual sizes; None for others."""
    match size:
        case 1:
            return view
        case 2:
            return view.cast("H")
        case 4:
            return view.cast("I")
        case 8:
            return view.cast("Q")
    return None
