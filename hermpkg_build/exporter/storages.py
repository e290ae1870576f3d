"""Tensor storages on their way into a package: numbered once for all pickles, copied when they are saved."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.archive.storage_places import StoragePlaces
from hermpkg_build.assembly.model_records import storage_part
from hermpkg_build.assembly.parts import Part
from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import replace
from hermpkg_build.disk.crc32 import quick_crc32
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.pickles.pickled import StoredStorage
from hermpkg_build.pickles.storage_numbers import StorageNumbers
from hermpkg_build.pickles.storages import StorageCopy, chunks, copy_storages

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermpkg_build.exporter.destination import FileDestination, StreamDestination
    from hermpkg_build.pickles.torchscript import TorchScript


class Storages:
    """The storages of one export, each as it was when it was first saved; one memory has one number.

    Those that do not wait in memory are written at once to a file of the `destination`, to the places that
    they have in an artifact with the folder `root`: it can become that artifact.
    """

    def __init__(self, destination: FileDestination | StreamDestination, root: str) -> None:
        self.parts: list[Part] = []
        self.file: NewFile | None = None
        self._destination = destination
        self._numbers = StorageNumbers[tuple[Content, StoredStorage]]()
        self._places = StoragePlaces(root)
        self._in_memory = 0

    def keys_of(self, storages: Sequence[Any], cause: str) -> list[int]:
        """The numbers of torch.UntypedStorage objects, of which those that are new are copied.

        Raises LocalEnvironmentError where there is no room for the copies.
        """
        keys = self._numbers.keys_of(storages, self._copied)
        self.parts += [storage_part(key, *copy, cause) for key, copy in self._numbers.take_new()]
        return keys

    def share_with(self, torchscript: TorchScript) -> None:
        """From now on number storages together with those of TorchScript."""
        self._numbers.share_with(torchscript)

    def close(self) -> None:
        """Drop the file."""
        if self.file is not None:
            self.file.close()

    def _copied(self, storages: Sequence[Any]) -> Sequence[tuple[Content, StoredStorage]]:
        """The bytes of storages as they are now."""
        copied: dict[int, tuple[Content, StoredStorage]] = {}
        aside: dict[int, StorageCopy] = {}
        for index, storage in enumerate(storages):
            size: int = storage.nbytes()
            offset = self._places.place(size)
            if self._waits_in_memory(size):
                content = b"".join(chunks(storage))
                copied[index] = content, StoredStorage(digest=Digest.of(content), crc32=quick_crc32(content))
            else:
                aside[index] = StorageCopy(storage=storage, path="", offset=offset)
        if aside:
            copied.update(zip(aside, self._set_aside([*aside.values()]), strict=True))
        return [copied[index] for index in range(len(storages))]

    def _waits_in_memory(self, size: int) -> bool:
        room = self._destination.room
        waits = size <= room.one and self._in_memory + size <= room.all_together
        self._in_memory += size if waits else 0
        return waits

    def _set_aside(self, copies: Sequence[StorageCopy]) -> list[tuple[Content, StoredStorage]]:
        try:
            if self.file is None:
                self.file = self._destination.begin()
            path = self.file.path
            here = [replace(copy, path=path) for copy in copies]
            stored = copy_storages(here, quick_crc32)
        except OSError as error:
            size = sum(copy.storage.nbytes() for copy in copies)
            raise LocalEnvironmentError(
                "there is no room for tensors until the package is written",
                facts=[("bytes", str(size)), ("reason", error.strerror or str(error))],
                next_step="free some space on the file system that the package is written to",
            ) from error
        slices = [
            FileSlice(path=path, offset=copy.offset, size=each.digest.size)
            for copy, each in zip(copies, stored, strict=True)
        ]
        return list(zip(slices, stored, strict=True))
