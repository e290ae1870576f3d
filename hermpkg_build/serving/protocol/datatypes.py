"""Tensors as the protocol has them: their types by name, as JSON numbers, and as bytes."""

from __future__ import annotations

import array
import json
import math
import struct
from collections.abc import Sequence
from typing import Any

from hermpkg_build.serving.protocol.errors import bad_request

BYTES = "BYTES"
_LENGTH = struct.Struct("<I")
_DTYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "BF16": "bfloat16",
    "FP32": "float32",
    "FP64": "float64",
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
_CODES = {
    "BOOL": "B",
    "UINT8": "B",
    "UINT16": "H",
    "UINT32": "I",
    "UINT64": "Q",
    "INT8": "b",
    "INT16": "h",
    "INT32": "i",
    "INT64": "q",
}
"""Arrays of Python whose elements have the bytes of a type; all others go through doubles."""
_DIGITS = {"FP16": 5, "BF16": 4, "FP32": 9}
"""Decimal digits that are read as the same value of a type again: to write more takes twice as long."""
_MOST_EMPTY = 1 << 16


def tensor_of_data(name: str, datatype: str, shape: Sequence[int], data: Any) -> Any:
    """Make an input of JSON values, nested or flat: a tensor, or nested lists of texts for BYTES."""
    flat, types = _values(name, data, shape)
    if len(flat) != _count(shape):
        raise bad_request(
            f"input {name!r} has {len(flat)} values, and its shape {list(shape)} {_count(shape)}"
        )
    if datatype == BYTES:
        if not types <= {str}:
            raise bad_request(f"input {name!r} of type BYTES must have texts")
        return _texts_in_lists(name, flat, shape)
    import torch

    dtype = _dtype(name, datatype)
    known: set[type] = {bool} if dtype is torch.bool else {int}
    if dtype.is_floating_point:
        known = {int, float}
    if not types <= known:
        raise bad_request(f"input {name!r} of type {datatype} has a value of another type")
    if not flat:
        return _empty(name, shape, dtype)
    try:
        # Python fills an array several times as fast as torch a tensor.
        values = array.array(_CODES.get(datatype, "d"), flat)
    except OverflowError as error:
        raise bad_request(f"input {name!r} has a value that is no {datatype}: {error}") from None
    if not dtype.is_floating_point:
        return torch.frombuffer(values, dtype=dtype).reshape(tuple(shape))
    doubles = torch.frombuffer(values, dtype=torch.float64)
    made = doubles.to(dtype)
    too_large = made.isinf()
    if too_large.any() and not doubles[too_large].isinf().all():
        raise bad_request(f"input {name!r} has a value that is too large for {datatype}")
    return made.reshape(tuple(shape))


def tensor_of_bytes(name: str, datatype: str, shape: Sequence[int], data: memoryview) -> Any:
    """Make an input of the bytes of its elements, one after the other, which are copied."""
    if datatype == BYTES:
        return _texts_in_lists(name, _texts(name, data, _count(shape)), shape)
    import torch

    dtype = _dtype(name, datatype)
    size = _count(shape) * dtype.itemsize
    if len(data) != size:
        raise bad_request(f"input {name!r} has {len(data)} bytes, and its shape and type need {size}")
    if dtype is torch.bool and set(bytes(data)) - {0, 1}:
        raise bad_request(f"input {name!r} of type BOOL has a byte that is neither 0 nor 1")
    if not size:
        return _empty(name, shape, dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(tuple(shape))


class Output:
    """One output of a model: a tensor, or texts of a shape. Raises TypeError for anything else."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self._texts: list[bytes] = []
        value = _without_arrays(value)
        self._tensor = _as_tensor(value)
        self.shape: list[int]
        if self._tensor is None:
            self._texts, self.shape = _texts_of(name, value)
            self.datatype: str = BYTES
        else:
            self.shape = list(self._tensor.shape)
            self.datatype = _NAMES[str(self._tensor.dtype).rpartition(".")[2]]

    def as_json(self) -> str:
        """Its elements as JSON, flat. Raises UnicodeDecodeError for bytes that are no texts."""
        if self._tensor is None:
            return json.dumps([text.decode("utf-8", "surrogatepass") for text in self._texts])
        values: list[Any] = self._tensor.flatten().tolist()
        digits = _DIGITS.get(self.datatype)
        if digits is None or not self._tensor.isfinite().all():
            return json.dumps(values)
        text = f"[{', '.join([f'%.{digits}g'] * len(values)) % tuple(values)}]"
        # JSON has integers for some readers, and these no negative zero.
        return text.replace("-0,", "-0.0,").replace("-0]", "-0.0]") if 0.0 in values else text

    def data(self) -> bytes:
        """The bytes of its elements."""
        if self._tensor is None:
            return b"".join(_LENGTH.pack(len(text)) + text for text in self._texts)
        import ctypes

        tensor = self._tensor.contiguous()
        size = tensor.numel() * tensor.element_size()
        return ctypes.string_at(tensor.data_ptr(), size) if size else b""


def _without_arrays(value: Any) -> Any:
    """Return an array as a tensor, whatever order its bytes and elements have; one of objects as lists."""
    import torch

    if isinstance(value, torch.Tensor) or not hasattr(value, "__array__"):
        return value
    import numpy

    array = numpy.asarray(value)
    if array.dtype.kind in "OSU":
        return array.tolist()
    native = array.dtype.newbyteorder("=")
    # One that cannot be written to is copied, too: torch warns of it.
    return torch.as_tensor(array.astype(native, order="C", copy=not array.flags.writeable))


def _as_tensor(value: Any) -> Any:
    """Return a value as a tensor of a type that the protocol has, None for texts."""
    import torch

    if isinstance(value, torch.Tensor):
        tensor = value.detach().resolve_conj().resolve_neg().cpu()
        tensor = tensor.to_dense() if tensor.layout is not torch.strided else tensor
        if str(tensor.dtype).rpartition(".")[2] not in _NAMES:
            raise TypeError(f"the protocol has no tensors of {tensor.dtype}")
        return tensor
    flat, types = _flat(value)
    if not flat or not all(issubclass(each, (bool, int, float)) for each in types):
        return None
    # A float of Python is a double.
    dtype = torch.float64 if any(issubclass(each, float) for each in types) else None
    try:
        return torch.tensor(value if isinstance(value, (list, tuple)) else [value], dtype=dtype)
    except (ValueError, OverflowError) as error:
        raise TypeError(f"numbers that make no tensor: {error}") from None


def _texts_of(name: str, value: Any) -> tuple[list[bytes], list[int]]:
    """Return texts in their order, and their shape. Raises TypeError where they, or their lists, are none."""
    shape: list[int] = []
    texts = [value]
    while texts and all(isinstance(each, (list, tuple)) for each in texts):
        if any(len(each) != len(texts[0]) for each in texts):
            raise TypeError(f"{name} has lists of different lengths")
        shape.append(len(texts[0]))
        texts = [text for each in texts for text in each]
    if not all(isinstance(each, (str, bytes)) for each in texts):
        raise TypeError(f"{name} is a {type(value).__name__}, and no tensor, numbers or texts")
    encoded = [each.encode("utf-8", "surrogatepass") if isinstance(each, str) else each for each in texts]
    return encoded, shape or [1]


def _dtype(name: str, datatype: str) -> Any:
    import torch

    found = getattr(torch, _DTYPES.get(datatype, ""), None)
    if found is None:
        known = ", ".join([*_DTYPES, BYTES])
        raise bad_request(f"input {name!r} has the type {datatype!r}; there are {known}")
    return found


def _empty(name: str, shape: Sequence[int], dtype: Any) -> Any:
    import torch

    try:
        return torch.empty(tuple(shape), dtype=dtype)
    except RuntimeError as error:
        raise bad_request(f"the shape of input {name!r} is wrong: {error}") from None


def _count(shape: Sequence[int]) -> int:
    return math.prod(shape)


def _values(name: str, data: Any, shape: Sequence[int]) -> tuple[list[Any], set[type]]:
    """Return the values of an input, in one list or in lists as its shape has them, and their types."""
    values: list[Any] = data if isinstance(data, list) else [data]
    # A set of types is made far quicker than each value is asked.
    types = set(map(type, values))
    if list not in types:
        return values, types
    values = [data]
    for size in shape:
        if not all(isinstance(each, list) and len(each) == size for each in values):
            raise bad_request(f"the lists of input {name!r} are not those of its shape {list(shape)}")
        values = [value for each in values for value in each]
    return values, set(map(type, values))


def _flat(data: Any) -> tuple[list[Any], set[type]]:
    """Return the values of nested lists in their order, and their types."""
    if not isinstance(data, (list, tuple)):
        return [data], {type(data)}
    types = set(map(type, data))
    if types.isdisjoint((list, tuple)):
        return list(data), types
    parts = [_flat(each) for each in data]
    return [value for values, _ in parts for value in values], set().union(*(types for _, types in parts))


def _texts_in_lists(name: str, texts: Sequence[Any], shape: Sequence[int]) -> Any:
    """Return texts in lists of a shape, which are as few as these unless it says so of none at all."""
    if not texts and math.prod(filter(None, shape)) > _MOST_EMPTY:
        raise bad_request(
            f"the shape of input {name!r} is wrong: it has no texts, and too many lists of none"
        )
    return _nested(texts, shape)


def _nested(flat: Sequence[Any], shape: Sequence[int]) -> Any:
    if len(shape) <= 1:
        return list(flat)
    step = _count(shape[1:])
    return [_nested(flat[at * step : (at + 1) * step], shape[1:]) for at in range(shape[0])]


def _texts(name: str, data: memoryview, count: int) -> list[str | bytes]:
    texts: list[str | bytes] = []
    at = 0
    while at < len(data) and len(texts) <= count:
        end = at + _LENGTH.size
        end += _LENGTH.unpack(data[at:end])[0] if end <= len(data) else len(data)
        if end > len(data):
            raise bad_request(f"input {name!r} ends within a text")
        text = bytes(data[at + _LENGTH.size : end])
        try:
            texts.append(text.decode())
        except UnicodeDecodeError:
            texts.append(text)
        at = end
    if len(texts) != count:
        raise bad_request(f"input {name!r} has {len(texts)} texts, and its shape {count}")
    return texts
