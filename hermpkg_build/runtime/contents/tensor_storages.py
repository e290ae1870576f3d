"""Tensor storages of an archive: copies, or mapped copy-on-write: a page uses memory once it is touched.

torch is imported inside the functions: an artifact without tensors can be used without it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeAlias

from hermpkg_build.archive.layout import BYTEORDER, DATA
from hermpkg_build.errors import ArchiveError, LocalEnvironmentError
from hermpkg_build.runtime.contents.archives import Archive, RecordNotFoundError

_ALIGNMENT = 16
"""The bytes to which a storage must be aligned for vector instructions to be as fast as they can."""


class TorchDevice(Protocol):
    """A torch.device, which has no type where torch is not installed."""

    @property
    def type(self) -> str:
        """Its kind, such as ``cuda``."""

    @property
    def index(self) -> Any:
        """Its number among those of its kind, or None."""


MapLocation: TypeAlias = TorchDevice | str | Mapping[str, str] | Callable[[Any, str], Any] | None
"""A device, devices by those that they stand for, or a function of a storage and its device."""


class DeviceError(LocalEnvironmentError, RuntimeError):
    """A tensor cannot be on the device that it was saved on, or is to be loaded to."""


def restorer(map_location: MapLocation) -> Callable[[Any, str], Any]:
    """Return what puts a storage, given where it was saved, to where `map_location` says.

    That raises DeviceError, and what a function of the caller's raises.
    """
    import torch
    from torch.serialization import _get_restore_location

    restore: Callable[[Any, str], Any] = _get_restore_location(map_location)
    if not isinstance(map_location, str | Mapping | torch.device | None):
        return restore

    def put(storage: Any, saved_on: str) -> Any:
        try:
            return restore(storage, saved_on)
        except RuntimeError as error:
            if type(error) is not RuntimeError:
                raise
            raise DeviceError(
                "a tensor cannot be put on its device",
                facts=[("saved on", saved_on), ("reason", str(error).partition(". ")[0])],
                next_step='choose another: load_pickle(..., map_location="cpu"), Pool(..., device="cpu"),'
                " hermpkg serve --device cpu",
            ) from error

    return put


class StorageSource:
    """Makes the storages of one archive; pickles share those that they shared when they were saved.

    A pickle that is loaded a second time gets storages of its own, so that its tensors are as in the
    file, whatever was written to the first ones. `mapped` says whether they are mapped or copied, as for
    `ArchiveReader.private_views`.
    """

    def __init__(self, archive: Archive, mapped: bool | None = None) -> None:
        self.mapped = mapped
        self._archive = archive
        self._loaded: set[str] = set()
        self._generation: StorageGeneration | None = None

    def generation_for(self, pickle: str) -> StorageGeneration:
        """Give the storages that a load of the record `pickle` shares with earlier loads."""
        if self._generation is None or pickle in self._loaded:
            self._generation = StorageGeneration(self._archive, self.mapped)
            self._loaded = set()
        self._loaded.add(pickle)
        return self._generation


class StorageGeneration:
    """One set of the storages of an archive, `mapped` or copied, held weakly."""

    def __init__(self, archive: Archive, mapped: bool | None) -> None:
        self._archive = archive
        self._mapped = mapped
        self._private_view: Callable[[str], memoryview] | None = None
        self._known: dict[int | str, Any] = {}
        self._swaps_bytes: bool | None = None

    def get(self, key: int | str) -> Any:
        """Give the UntypedStorage of `key`, None where it was not made or is no longer in use."""
        reference = self._known.get(key)
        if reference is None:
            return None
        import torch

        return torch.UntypedStorage._new_with_weak_ptr(reference.cdata)

    def get_or_read(self, key: int | str, size: int, dtype: Any) -> Any:
        """Give the UntypedStorage of `key`, of `size` bytes that hold elements of `dtype`.

        Raises RecordNotFoundError, ArchiveError for a record of any other size.
        """
        storage = self.get(key)
        if storage is None:
            from torch.multiprocessing.reductions import StorageWeakRef

            storage = self._read(key, size, dtype)
            self._known[key] = StorageWeakRef(storage)
        return storage

    def _read(self, key: int | str, size: int, dtype: Any) -> Any:
        import torch

        view = self._view(f"{DATA}{key}.storage", size)
        if not size:
            return torch.UntypedStorage(0)
        tensor = torch.frombuffer(view, dtype=torch.uint8)
        if tensor.data_ptr() % _ALIGNMENT:
            tensor = tensor.clone()
        storage = tensor.untyped_storage()
        if self._is_foreign():
            storage.byteswap(dtype)
        return storage

    def _view(self, name: str, size: int) -> memoryview:
        if not self._archive.has(name):
            raise RecordNotFoundError(
                "the archive lacks a tensor's data", facts=[("file", self._archive.name), ("record", name)]
            )
        if self._private_view is None:
            self._private_view = self._archive.private_views(self._mapped)
        view = self._private_view(name)
        if len(view) != size:
            raise ArchiveError(
                "a tensor's data has another size than the pickle says",
                facts=[
                    ("file", self._archive.name),
                    ("record", name),
                    ("expected", f"{size} bytes"),
                    ("found", f"{len(view)} bytes"),
                ],
                next_step="copy or build the archive again",
            )
        return view

    def _is_foreign(self) -> bool:
        if self._swaps_bytes is None:
            order = self._archive.read(BYTEORDER).strip() if self._archive.has(BYTEORDER) else b""
            self._swaps_bytes = order in (b"little", b"big") and order != sys.byteorder.encode()
        return self._swaps_bytes
