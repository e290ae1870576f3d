"""Tensor storages of an archive: copies, or mapped copy-on-write: a page uses memory once it is touched.

torch is imported inside the functions: an artifact without tensors can be used without it.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sized
from typing import Any, Protocol, TypeAlias, TypeVar

from hermpkg_build.archive.layout import BYTEORDER, DATA
from hermpkg_build.archive.reader import ArchiveReader, PartMaker
from hermpkg_build.errors import ArchiveError, LocalEnvironmentError
from hermpkg_build.runtime.contents.archives import Archive, RecordNotFoundError

_T = TypeVar("_T", bound=Sized)

ALIGNMENT = 16
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


class StorageRecords(Protocol):
    """Where the bytes of storages are: an archive, or what does for one."""

    @property
    def name(self) -> str:
        """The name of the file, for errors."""

    def has(self, name: str, /) -> bool:
        """Tell whether there is a record `name`."""

    def read(self, name: str, /) -> bytes:
        """Read a record."""

    def private_views(self, mapped: bool | None = None, /) -> Callable[[str], memoryview]:
        """Give a function that gives a record's bytes, writable, which does not reach the file."""


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
        self.file: str = archive.name
        self._archive = archive
        self._mapped = mapped
        self._known: dict[int | str, int] = {}
        self._free: Callable[[int], None] | None = None

    def __del__(self) -> None:
        if self._free is not None:
            for reference in self._known.values():
                self._free(reference)

    @functools.cached_property
    def _storage_of(self) -> Callable[[str], Any]:
        """What makes the storage of a record."""
        if isinstance(self._archive, ArchiveReader):
            return self._archive.private_parts(_storages, self._mapped)
        view_of = self._archive.private_views(self._mapped)

        def storage(record: str) -> Any:
            view = view_of(record)
            return _storages(view)(0, len(view))

        return storage

    @functools.cached_property
    def _are_swapped(self) -> bool:
        return are_swapped(self._archive)

    def get(self, key: int | str) -> Any:
        """Give the UntypedStorage of `key`, None where it was not made or is no longer in use."""
        reference = self._known.get(key)
        if reference is None:
            return None
        import torch

        return torch.UntypedStorage._new_with_weak_ptr(reference)

    def get_or_read(self, key: int | str, size: int, dtype: Any) -> Any:
        """Give the UntypedStorage of `key`, of `size` bytes that hold elements of `dtype`.

        Raises RecordNotFoundError, ArchiveError for a record of any other size.
        """
        if key in self._known:
            storage = self.get(key)
            if storage is not None:
                return storage
            # What was written to the first one is in its mapping.
            vars(self).pop("_storage_of", None)
        storage = self._read(key, size, dtype)
        free = self._free = storage._free_weak_ref  # At the end of the process, torch may be gone.
        if key in self._known:
            free(self._known[key])
        self._known[key] = storage._weak_ref()
        return storage

    def _read(self, key: int | str, size: int, dtype: Any) -> Any:
        storage = bytes_of_storage(self._archive, self._storage_of, record_of(key), size)
        if self._are_swapped and size:
            storage.byteswap(dtype)
        return storage


def _storages(memory: memoryview) -> PartMaker[Any]:
    """Return what makes storages that share `memory`; parts of it that are not aligned are copied."""
    import torch

    whole = torch.frombuffer(memory, dtype=torch.uint8).untyped_storage() if memory else None
    address = whole.data_ptr() if whole is not None else 0
    part = torch._C.StorageBase.__getitem__

    def storage(start: int, stop: int) -> Any:
        if start == stop:
            return torch.UntypedStorage(0)
        made = part(whole, slice(start, stop))
        return made.clone() if (address + start) % ALIGNMENT else made

    return storage


def record_of(key: int | str) -> str:
    """Name the record of a storage."""
    return f"{DATA}{key}.storage"


def beyond_the_data(file: str, record: str, size: int) -> ArchiveError:
    """Make the error for a tensor that needs more of a storage than its `size` in bytes."""
    return ArchiveError(
        "a tensor reaches beyond its data",
        facts=[("file", file), ("record", record), ("size", f"{size} bytes")],
        next_step="copy or build the archive again; do not trust one that you were sent",
    )


def bytes_of_storage(records: StorageRecords, view_of: Callable[[str], _T], record: str, size: int) -> _T:
    """Give what `view_of` gives of a storage. Raises RecordNotFoundError, ArchiveError for any other size."""
    try:
        view = view_of(record)
    except (ArchiveError, KeyError):
        if records.has(record):
            raise
        raise RecordNotFoundError(
            "the archive lacks a tensor's data", facts=[("file", records.name), ("record", record)]
        ) from None
    if len(view) != size:
        raise ArchiveError(
            "a tensor's data has another size than the pickle says",
            facts=[
                ("file", records.name),
                ("record", record),
                ("expected", f"{size} bytes"),
                ("found", f"{len(view)} bytes"),
            ],
            next_step="copy or build the archive again",
        )
    return view


def are_swapped(records: StorageRecords) -> bool:
    """Tell whether numbers in storages have their bytes in another order than here."""
    order = records.read(BYTEORDER).strip() if records.has(BYTEORDER) else b""
    return order in (b"little", b"big") and order != sys.byteorder.encode()
