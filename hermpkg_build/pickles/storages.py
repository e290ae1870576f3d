"""Storages of torch: the reference that a pickle has to one, and writing its bytes to a file."""

from __future__ import annotations

import hashlib
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.files import write_all
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.pickles.pickled import StoredStorage

_CHUNK = 4 << 20


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
    if sys.byteorder != "little":
        raise LocalEnvironmentError(
            "storages are little-endian in an artifact, and this machine is big-endian",
            next_step="build the model object on a little-endian machine",
        )
    size = storage.nbytes()
    if storage.device.type == "cpu":
        yield from _chunks_of_memory(storage, size)
    else:
        yield from _chunks_of_device(storage, size)


def _chunks_of_memory(storage: Any, size: int) -> Iterator[memoryview]:
    import ctypes

    if not size:
        return
    memory = memoryview((ctypes.c_char * size).from_address(storage.data_ptr())).cast("B")
    for start in range(0, size, _CHUNK):
        yield memory[start : start + _CHUNK]


def _chunks_of_device(storage: Any, size: int) -> Iterator[memoryview]:
    import torch

    data = torch.empty(0, dtype=torch.uint8, device=storage.device).set_(storage)
    for start in range(0, size, _CHUNK):
        part = data[start : start + _CHUNK].cpu().untyped_storage()
        yield from _chunks_of_memory(part, part.nbytes())


def write_storage(storage: Any, path: str) -> StoredStorage:
    """Write the bytes of a torch.UntypedStorage to a new file. Raises OSError."""
    with open(path, "xb", buffering=0) as file:
        return copy_storage(storage, file.fileno())


def copy_storage(storage: Any, descriptor: int) -> StoredStorage:
    """Write the bytes of a torch.UntypedStorage to an open file, and digest them. Raises OSError."""
    sha, crc32 = hashlib.sha256(), 0
    for chunk in chunks(storage):
        sha.update(chunk)
        crc32 = zlib.crc32(chunk, crc32)
        write_all(descriptor, chunk)
    return StoredStorage(digest=Digest(sha.hexdigest(), storage.nbytes()), crc32=crc32)


def storage_digest(storage: Any) -> str:
    """The SHA-256 of a storage's bytes, in hexadecimal."""
    sha = hashlib.sha256()
    for chunk in chunks(storage):
        sha.update(chunk)
    return sha.hexdigest()
