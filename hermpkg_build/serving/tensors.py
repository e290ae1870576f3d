"""Tensors on their way to another process: their bytes, of any layout and type, go beside the pickle."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from pickle import PickleBuffer
from typing import Any

_Reduced = tuple[Callable[..., Any], tuple[Any, ...]]

_SPARSE_ENOUGH = 2
"""A view that spans so many times the bytes of its elements is copied, and its gaps are not sent."""


class TensorReducer:
    """Reduces the tensors of one message; those that share a whole storage share it on the other side, too.

    Of a view only what it spans is sent: a row of a large matrix takes the bytes of a row. With `to_cpu`, the
    other side gets what is on another device on the CPU.
    """

    def __init__(self, torch: Any, *, to_cpu: bool = False) -> None:
        self._torch = torch
        self._to_cpu = to_cpu
        self._storages: dict[int, Any] = {}
        self._plain = torch.Tensor
        self._storage_types = (torch.UntypedStorage, torch.TypedStorage)

    def reduce(self, obj: Any) -> Any:
        """Return how to make `obj` again, a tensor or a storage; NotImplemented where pickle knows that."""
        if type(obj) is self._plain:
            return self._reduce_tensor(obj)
        if isinstance(obj, self._storage_types):
            return self._reduce_storage(obj)
        return NotImplemented

    def _reduce_tensor(self, tensor: Any) -> Any:
        torch = self._torch
        if self._to_cpu and tensor.device.type != "cpu":
            tensor = tensor.cpu()
        if (
            tensor.layout is not torch.strided
            or tensor.device.type != "cpu"
            or tensor.is_quantized
            or tensor.is_conj()
            or tensor.is_neg()
            or tensor.is_nested
            or tensor._backward_hooks
            or tensor.__dict__
        ):
            return NotImplemented
        size, item = tuple(tensor.size()), tensor.element_size()
        elements = tensor.numel()
        spanned = _span(size, tensor.stride()) if elements else 0
        storage = tensor.untyped_storage()
        if spanned * item == storage.nbytes():
            shared, offset = self._one_of(storage), tensor.storage_offset()
        else:
            if spanned > elements * _SPARSE_ENOUGH:
                tensor = tensor.detach().clone()
                spanned = elements
            shared = _Bytes(tensor, tensor.data_ptr(), spanned * item)
            offset = 0
        return _tensor, (shared, tensor.dtype, offset, size, tuple(tensor.stride()), tensor.requires_grad)

    def _reduce_storage(self, storage: Any) -> _Reduced:
        torch = self._torch
        if isinstance(storage, torch.TypedStorage):
            return _typed_storage, (self._one_of(storage._untyped_storage), storage.dtype)
        device = storage.device
        if device.type != "cpu":
            copy = self._one_of(storage.cpu())
            return (_itself, (copy,)) if self._to_cpu else (_storage_on, (copy, str(device)))
        return _storage, (_Bytes(storage, storage.data_ptr(), storage.nbytes()).buffer(),)

    def _one_of(self, storage: Any) -> Any:
        """Return the same object for the same storage, so that it is pickled once."""
        return self._storages.setdefault(storage._cdata, storage)


class _Bytes:
    """The `size` bytes at `address`, which `owner` keeps; on the other side, a storage."""

    def __init__(self, owner: Any, address: int, size: int) -> None:
        self._owner = owner
        self._address = address
        self._size = size

    def buffer(self) -> Any:
        """The bytes for a pickle, which holds them as long as it is written."""
        if not self._size:
            return b""
        import ctypes

        memory = (ctypes.c_char * self._size).from_address(self._address)
        memory.owner = self._owner  # type: ignore[attr-defined]
        return PickleBuffer(memory)

    def __reduce_ex__(self, protocol: object) -> _Reduced:
        return _storage, (self.buffer(),)


def tensor_reducer(*, to_cpu: bool) -> TensorReducer | None:
    """Make a reducer where there can be tensors, as torch is loaded."""
    torch = sys.modules.get("torch")
    if torch is None or not hasattr(torch, "UntypedStorage"):
        return None
    return TensorReducer(torch, to_cpu=to_cpu)


def placed(name: str, device: str) -> Callable[..., Any] | None:
    """Return what makes a storage on `device` in place of the function `name`, which messages make one by."""
    if name == "_storage":
        return partial(_read_onto, device)
    return _itself if name == "_storage_on" else None


def moved(value: Any, device: str) -> Any:
    """Return `value` with its tensors on `device`: itself, or those in containers that torch knows."""
    if "torch" not in sys.modules:
        return value
    import torch
    from torch.utils._pytree import tree_map_only

    return tree_map_only(torch.Tensor, lambda tensor: tensor.to(device), value)


def _span(size: tuple[int, ...], stride: tuple[int, ...]) -> int:
    """The elements from the first to the last one of a tensor that has some."""
    return 1 + sum((n - 1) * step for n, step in zip(size, stride, strict=True))


def _storage(data: Any) -> Any:
    import torch

    if not len(data):
        return torch.UntypedStorage(0)
    if memoryview(data).readonly:
        data = bytearray(data)
    return torch.frombuffer(data, dtype=torch.uint8).untyped_storage()


def _read_onto(device: str, data: Any) -> Any:
    return _storage_on(_storage(data), device)


def _itself(storage: Any, *_: object) -> Any:
    return storage


def _storage_on(storage: Any, device: str) -> Any:
    import torch

    return torch.empty(0, dtype=torch.uint8).set_(storage).to(device).untyped_storage()


def _typed_storage(storage: Any, dtype: Any) -> Any:
    import torch

    return torch.storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def _tensor(
    storage: Any, dtype: Any, offset: int, size: tuple[int, ...], stride: tuple[int, ...], requires_grad: bool
) -> Any:
    import torch

    tensor = torch.empty(0, dtype=dtype, device=storage.device).set_(storage, offset, size, stride)
    tensor.requires_grad = requires_grad
    return tensor
