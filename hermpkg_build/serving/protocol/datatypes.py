"""Tensors as the protocol has them: their types by name, as JSON numbers, and as bytes."""

from __future__ import annotations

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


def tensor_of_data(name: str, datatype: str, shape: Sequence[int], data: Any) -> Any:
    """Make an input of JSON values, nested or flat: a tensor, or nested lists of texts for BYTES."""
    flat = _flat(data)
    if len(flat) != _count(shape):
        raise bad_request(
            f"input {name!r} has {len(flat)} values, and its shape {list(shape)} {_count(shape)}"
        )
    if datatype == BYTES:
        if not all(isinstance(value, str) for value in flat):
            raise bad_request(f"input {name!r} of type BYTES must have texts")
        return _nested(flat, shape)
    import torch

    dtype = _dtype(name, datatype)
    known: tuple[type, ...] = (bool,) if dtype is torch.bool else (int,)
    if dtype.is_floating_point:
        known = (int, float)
    # JSON has no values of derived types, and a set of types is made far quicker than each is asked.
    if not set(map(type, flat)) <= set(known):
        raise bad_request(f"input {name!r} of type {datatype} has a value of another type")
    try:
        return torch.tensor(flat, dtype=dtype).reshape(tuple(shape))
    except (RuntimeError, OverflowError, ValueError) as error:
        raise bad_request(f"input {name!r} has a value that is no {datatype}: {error}") from None


def tensor_of_bytes(name: str, datatype: str, shape: Sequence[int], data: memoryview) -> Any:
    """Make an input of the bytes of its elements, one after the other, which are copied."""
    if datatype == BYTES:
        return _nested(_texts(name, data, _count(shape)), shape)
    import torch

    dtype = _dtype(name, datatype)
    size = _count(shape) * dtype.itemsize
    if len(data) != size:
        raise bad_request(f"input {name!r} has {len(data)} bytes, and its shape and type need {size}")
    if dtype is torch.bool and set(bytes(data)) - {0, 1}:
        raise bad_request(f"input {name!r} of type BOOL has a byte that is neither 0 nor 1")
    if not size:
        return torch.empty(tuple(shape), dtype=dtype)
    return torch.frombuffer(bytearray(data), dtype=dtype).reshape(tuple(shape))


class Output:
    """One output of a model: a tensor, or texts of a shape. Raises TypeError for anything else."""

    def __init__(self, name: str, value: Any) -> None:
        self.name = name
        self._texts: list[bytes] = []
        self._tensor = _as_tensor(value)
        self.shape: list[int]
        if self._tensor is None:
            self._texts, self.shape = _texts_of(name, value)
            self.datatype: str = BYTES
        else:
            self.shape = list(self._tensor.shape)
            self.datatype = _NAMES[str(self._tensor.dtype).rpartition(".")[2]]

    def values(self) -> list[Any]:
        """Its elements as JSON has them, flat."""
        if self._tensor is None:
            return [text.decode("utf-8", "replace") for text in self._texts]
        values: list[Any] = self._tensor.flatten().tolist()
        return values

    def data(self) -> bytes:
        """The bytes of its elements."""
        if self._tensor is None:
            return b"".join(_LENGTH.pack(len(text)) + text for text in self._texts)
        import ctypes

        tensor = self._tensor.contiguous()
        size = tensor.numel() * tensor.element_size()
        return ctypes.string_at(tensor.data_ptr(), size) if size else b""


def _as_tensor(value: Any) -> Any:
    """Return a value as a tensor of a type that the protocol has, None for texts."""
    import torch

    if isinstance(value, torch.Tensor):
        tensor = value.detach().resolve_conj().resolve_neg().cpu()
        tensor = tensor.to_dense() if tensor.layout is not torch.strided else tensor
        if str(tensor.dtype).rpartition(".")[2] not in _NAMES:
            raise TypeError(f"the protocol has no tensors of {tensor.dtype}")
        return tensor
    if hasattr(value, "__array__"):
        return _as_tensor(torch.as_tensor(value))
    if isinstance(value, (bool, int, float)):
        return torch.tensor([value])
    flat = _flat(value) if isinstance(value, (list, tuple)) else []
    if flat and all(isinstance(each, (bool, int, float)) for each in flat):
        try:
            return torch.tensor(value)
        except ValueError as error:
            raise TypeError(f"a list of lists of different lengths: {error}") from None
    return None


def _texts_of(name: str, value: Any) -> tuple[list[bytes], list[int]]:
    shape = [1]
    if isinstance(value, (list, tuple)):
        shape = []
        part: Any = value
        while isinstance(part, (list, tuple)):
            shape.append(len(part))
            part = part[0] if part else None
    flat = _flat(value) if isinstance(value, (list, tuple)) else [value]
    if not all(isinstance(each, (str, bytes)) for each in flat) or len(flat) != _count(shape):
        raise TypeError(f"{name} is a {type(value).__name__}, and no tensor, numbers or texts")
    return [each.encode("utf-8", "surrogatepass") if isinstance(each, str) else each for each in flat], shape


def _dtype(name: str, datatype: str) -> Any:
    import torch

    found = getattr(torch, _DTYPES.get(datatype, ""), None)
    if found is None:
        known = ", ".join([*_DTYPES, BYTES])
        raise bad_request(f"input {name!r} has the type {datatype!r}; there are {known}")
    return found


def _count(shape: Sequence[int]) -> int:
    count = 1
    for size in shape:
        count *= size
    return count


def _flat(data: Any) -> list[Any]:
    """Return the values of nested lists in their order."""
    if not isinstance(data, (list, tuple)):
        return [data]
    if set(map(type, data)).isdisjoint((list, tuple)):
        return list(data)
    return [value for each in data for value in _flat(each)]


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
