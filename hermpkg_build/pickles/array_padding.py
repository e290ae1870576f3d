"""Clears what lies between the values of numpy arrays: memory that nobody has written."""

from __future__ import annotations

import math
import sys
from typing import Any


def without_padding(obj: Any) -> Any:
    """`obj`, or a copy that is equal, with zeros for all bytes that are part of no value.

    Such bytes are in arrays and scalars of structures with gaps, and of the longest floating-point types.
    """
    numpy: Any = sys.modules.get("numpy")
    if numpy is None or not isinstance(obj, (numpy.ndarray, numpy.generic)) or not _may_have(obj.dtype):
        return obj
    used = _used(numpy, obj.dtype)
    if used.all() or not obj.size:
        return obj
    is_scalar = isinstance(obj, numpy.generic)
    array = numpy.array(obj) if is_scalar else obj
    cleared = array.copy(order="F" if array.flags.fnc else "C")
    flat = cleared.view(numpy.ndarray).reshape(-1, order="A")
    flat.view(numpy.uint8).reshape(-1, obj.dtype.itemsize)[:, ~used] = 0
    return cleared[()] if is_scalar else cleared


def _may_have(dtype: Any) -> bool:
    return not dtype.hasobject and (dtype.names is not None or dtype.char in "gG")


def _used(numpy: Any, dtype: Any) -> Any:
    """Which bytes of one element are part of a value."""
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return numpy.tile(_used(numpy, base), math.prod(shape))
    used = numpy.ones(dtype.itemsize, dtype=bool)
    if dtype.names is not None:
        used[:] = False
        for field, offset, *_ in dtype.fields.values():
            used[offset : offset + field.itemsize] |= _used(numpy, field)
    elif dtype.char in "gG" and numpy.finfo(dtype).nmant == _MANTISSA_OF_80_BITS:
        used.reshape(-1, numpy.dtype("g").itemsize)[:, 10:] = False
    return used


_MANTISSA_OF_80_BITS = 63
