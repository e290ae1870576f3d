"""The storages that one pickle refers to, without what sparse tensors leave unwritten in them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import Any

from hermpkg_build.pickles.storages import StorageReference


class ReferredStorages:
    """Numbers the storages of a pickle in the order in which they are met.

    The tensors that a sparse one is made of can be parts of larger memory: that of as many elements as there
    were before equal places were added up. What lies between and behind them has no value, and is whatever
    was there before, so that zeros stand for it; unless something else in the pickle refers to that memory.
    """

    def __init__(self) -> None:
        self._keys: dict[int, int] = {}
        self._storages: list[Any] = []
        self._uses: list[int] = []
        self._parts: dict[int, list[Any]] = {}

    def key_of(self, storage: StorageReference) -> int:
        """The number of a storage that is referred to once more."""
        key = self._keys.setdefault(storage.identity, len(self._storages))
        if key == len(self._storages):
            self._storages.append(storage.untyped)
            self._uses.append(0)
        self._uses[key] += 1
        return key

    def note_call(self, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
        """Note the parts of a sparse tensor, if this is the call that makes one again."""
        torch_utils: Any = sys.modules.get("torch._utils")
        if torch_utils is None:
            return
        if function is getattr(sys.modules.get("torch._tensor"), "_rebuild_from_type_v2", None):
            function, _, arguments, *_ = arguments
        if function is not torch_utils._rebuild_sparse_tensor:
            return
        torch: Any = sys.modules["torch"]
        for part in arguments[1]:
            if type(part) is torch.Tensor and part.layout is torch.strided and part.device.type != "meta":
                self._parts.setdefault(part.untyped_storage()._cdata, []).append(part)

    def all(self) -> tuple[Any, ...]:
        """The storages by their numbers, to be asked for when the pickle is complete."""
        return tuple(map(self.cleared, self._storages))

    def cleared(self, storage: Any) -> Any:
        """`storage`, or a copy that has only what the parts of sparse tensors show of it."""
        parts = self._parts.get(storage._cdata, ())
        if len(parts) != self._uses[self._keys[storage._cdata]]:
            return storage
        return _only_shown(storage, parts)


def _only_shown(storage: Any, parts: Sequence[Any]) -> Any:
    """`storage` where the `parts` show all of it, else a copy with zeros for what they do not show."""
    import torch

    if any(part.is_contiguous() and part.nbytes == storage.nbytes() for part in parts):
        return storage
    device = storage.device
    memory = torch.empty(0, dtype=torch.uint8, device=device).set_(storage)
    shown = torch.zeros(storage.nbytes(), dtype=torch.uint8, device=device)
    for part in parts:
        places = torch.tensor([part.storage_offset()], device=device)
        for length, stride in zip(part.shape, part.stride(), strict=True):
            places = (places[:, None] + torch.arange(length, device=device) * stride).reshape(-1)
        size = part.element_size()
        whole = storage.nbytes() // size * size
        shown[:whole].view(-1, size)[places] = memory[:whole].view(-1, size)[places]
    return shown.untyped_storage()
