"""Storages of torch: the reference that a pickle has to one, and writing its bytes to a file."""

from __future__ import annotations

import hashlib
import os
import sys
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from hermpkg_build.core.digest import Checksum, Digest
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.all_cores import Job, on_all_cores
from hermpkg_build.disk.crc32 import crc32_of_both
from hermpkg_build.disk.descriptors import WRITE
from hermpkg_build.disk.files import write_all_at
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.pickles.pickled import StoredStorage

_CHUNK = 4 << 20
_SEGMENT = 32 << 20
"""So much of a storage is written by one job; a checksum, unlike a hash, can be put together from parts."""
_AT_ONCE = 512 << 10
"""So many bytes stay in the processor's cache from the checksum to the write."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageReference:
    """One use of a storage: the memory, and the type that its bytes are read as.

    `kind` is the class that a persistent id names (torch.FloatStorage, or
    torch.storage.UntypedStorage), `numel` counts elements of it. Two uses with one `identity`
    share memory; it counts only as long as `untyped` lives.
    """

    untyped: Any
    kind: Any
    location: str
    numel: int

    @property
    def identity(self) -> int:
        """The address of the storage object beneath all its Python wrappers."""
        identity: int = self.untyped._cdata
        return identity


def storage_reference(obj: object) -> StorageReference | None:
    """The reference to `obj` if it is a torch storage; None for anything else. Does not import torch."""
    module = sys.modules.get("torch.storage")
    typed = getattr(module, "TypedStorage", None)
    untyped = getattr(module, "UntypedStorage", None)
    if typed is None or untyped is None:
        return None
    torch: Any = sys.modules["torch"]
    if isinstance(obj, typed):
        memory: Any = obj._untyped_storage
        return StorageReference(
            untyped=memory,
            kind=getattr(torch, obj._pickle_storage_type()),
            location=torch.serialization.location_tag(memory),
            numel=obj._size(),
        )
    if isinstance(obj, untyped):
        location = torch.serialization.location_tag(obj)
        return StorageReference(untyped=obj, kind=untyped, location=location, numel=obj.nbytes())
    return None


def chunks(storage: Any) -> Iterator[memoryview]:
    """The bytes of a torch.UntypedStorage, little-endian, a few MiB at a time.

    Memory of the CPU is read where it is; that of a device is copied chunk by chunk. A view
    counts until the next one is asked for. Raises LocalEnvironmentError on a big-endian machine.
    """
    _refuse_big_endian()
    size = storage.nbytes()
    if storage.device.type == "cpu":
        yield from _chunks_of_memory(storage, size)
    else:
        yield from _chunks_of_device(storage, size)


def _refuse_big_endian() -> None:
    if sys.byteorder != "little":
        raise LocalEnvironmentError(
            "storages are little-endian in an artifact, and this machine is big-endian",
            next_step="build the model object on a little-endian machine",
        )


def _chunks_of_memory(storage: Any, size: int) -> Iterator[memoryview]:
    memory = _memory_of(storage, 0, size)
    for start in range(0, size, _CHUNK):
        yield memory[start : start + _CHUNK]


def _memory_of(storage: Any, start: int, size: int) -> memoryview:
    """`size` bytes of a storage of the CPU from `start` on, where they are, as long as it lives."""
    import ctypes

    if not size:
        return memoryview(b"")
    return memoryview((ctypes.c_char * size).from_address(storage.data_ptr() + start)).cast("B")


def _chunks_of_device(storage: Any, size: int) -> Iterator[memoryview]:
    import torch

    data = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
    for start in range(0, size, _CHUNK):
        part = data[start : start + _CHUNK].cpu().untyped_storage()
        yield from _chunks_of_memory(part, part.nbytes())


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageCopy:
    """A torch.UntypedStorage, and the place in a file, made where it is missing, that its bytes go to."""

    storage: Any
    path: str
    offset: int = 0


def copy_storages(copies: Sequence[StorageCopy], checksum: Checksum = zlib.crc32) -> list[StoredStorage]:
    """Write storages to their places, and digest them, on all cores; `checksum` computes the CRC-32.

    What lies in memory is read where it is. Raises OSError, LocalEnvironmentError on a big-endian machine.
    """
    _refuse_big_endian()
    digests = [_Digests(copy, checksum) for copy in copies]
    # The largest first: what is left at the end, where not all cores have work, is small then.
    largest_first = sorted(digests, key=lambda each: -each.size)
    on_all_cores([job for each in largest_first for job in each.jobs()])
    return [each.stored() for each in digests]


class _Digests:
    """The digest and the checksum of a storage while it is copied, by jobs in any order."""

    def __init__(self, copy: StorageCopy, checksum: Checksum) -> None:
        self._checksum = checksum
        self.size: int = copy.storage.nbytes()
        self._copy = copy
        self._sha256 = ""
        self._crcs: list[tuple[int, int]] = []

    def jobs(self) -> Iterator[Job[None]]:
        """Give all that is to be done: for memory, one job that hashes, and one a part that is written."""
        if self._copy.storage.device.type != "cpu":
            yield self._copy_from_device()
            return
        yield self._hash()
        self._crcs = [(0, 0)] * max(1, -(-self.size // _SEGMENT))
        for part in range(len(self._crcs)):
            yield self._write(part)

    def stored(self) -> StoredStorage:
        """Return both, once all jobs are done."""
        crc32 = 0
        for crc32_of_part, size in self._crcs:
            crc32 = crc32_of_both(crc32, crc32_of_part, size)
        return StoredStorage(digest=Digest(self._sha256, self.size), crc32=crc32)

    def _hash(self) -> Job[None]:
        sha = hashlib.sha256()
        for chunk in chunks(self._copy.storage):
            sha.update(chunk)
            yield
        self._sha256 = sha.hexdigest()

    def _write(self, part: int) -> Job[None]:
        start = part * _SEGMENT
        memory = _memory_of(self._copy.storage, start, min(_SEGMENT, self.size - start))
        crc = 0
        with _opened(self._copy.path) as descriptor:
            for at in range(0, len(memory), _AT_ONCE):
                chunk = memory[at : at + _AT_ONCE]
                crc = self._checksum(chunk, crc)
                write_all_at(descriptor, chunk, self._copy.offset + start + at)
                yield
        self._crcs[part] = crc, len(memory)

    def _copy_from_device(self) -> Job[None]:
        sha, crc, at = hashlib.sha256(), 0, self._copy.offset
        with _opened(self._copy.path) as descriptor:
            for chunk in chunks(self._copy.storage):
                sha.update(chunk)
                crc = self._checksum(chunk, crc)
                write_all_at(descriptor, chunk, at)
                at += len(chunk)
                yield
        self._sha256, self._crcs = sha.hexdigest(), [(crc, self.size)]


@contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, WRITE | os.O_CREAT, 0o666)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def storage_digest(storage: Any) -> str:
    """The SHA-256 of a storage's bytes, in hexadecimal."""
    sha = hashlib.sha256()
    for chunk in chunks(storage):
        sha.update(chunk)
    return sha.hexdigest()
