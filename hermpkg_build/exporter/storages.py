"""Tensor storages on their way into a package: numbered once for all pickles, copied when they are saved."""

from __future__ import annotations

import os
import zlib
from typing import TYPE_CHECKING, Any

from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.assembly.model_records import storage_part
from hermpkg_build.assembly.parts import Part
from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.pickles.pickled import StoredStorage
from hermpkg_build.pickles.storage_numbers import StorageNumbers
from hermpkg_build.pickles.storages import chunks, copy_storage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermpkg_build.pickles.torchscript import TorchScript

_IN_MEMORY = 256 << 20
"""How many bytes of all storages together wait in memory; those that come later wait in a file."""


class Storages:
    """The storages of one export, each as it was when it was first saved; one memory has one number.

    Those for which there is no room in memory wait in a file in `folder` (None: the system's).
    """

    def __init__(self, folder: str | None) -> None:
        self.parts: list[Part] = []
        self._folder = folder
        self._spool: NewFile | None = None
        self._numbers = StorageNumbers(self._copied)
        self._in_memory = 0

    def keys_of(self, storages: Sequence[Any], cause: str) -> list[int]:
        """The numbers of torch.UntypedStorage objects, of which those that are new are copied.

        Raises LocalEnvironmentError where there is no room for the copies.
        """
        keys = self._numbers.keys_of(storages)
        self.parts += [storage_part(key, *copy, cause) for key, copy in self._numbers.take_new()]
        return keys

    def share_with(self, torchscript: TorchScript) -> None:
        """From now on number storages together with those of TorchScript."""
        self._numbers.share_with(torchscript)

    def close(self) -> None:
        """Drop the file."""
        if self._spool is not None:
            self._spool.close()

    def _copied(self, storage: Any) -> tuple[Content, StoredStorage]:
        """The bytes of a storage as they are now."""
        size: int = storage.nbytes()
        if self._in_memory + size <= _IN_MEMORY:
            self._in_memory += size
            content = b"".join(chunks(storage))
            return content, StoredStorage(digest=Digest.of(content), crc32=zlib.crc32(content))
        try:
            return self._set_aside(storage, size)
        except OSError as error:
            raise LocalEnvironmentError(
                "there is no room for a tensor until the package is written",
                facts=[("bytes", str(size)), ("reason", error.strerror or str(error))],
                next_step="free some space on the file system that the package is written to",
            ) from error

    def _set_aside(self, storage: Any, size: int) -> tuple[Content, StoredStorage]:
        """A copy of a storage at the end of the spool. Raises OSError."""
        if self._spool is None:
            import tempfile

            self._spool = NewFile(self._folder or tempfile.gettempdir(), mode=0o600)
        file = self._spool
        offset = os.lseek(file.descriptor, 0, os.SEEK_END)
        stored = copy_storage(storage, file.descriptor)
        return FileSlice(path=file.path, offset=offset, size=size), stored
