"""The data saved for a package: pickles, resources, storages, TorchScript."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.archive.records import FileSlice
from hermpkg_build.archive.resource_records import free_record
from hermpkg_build.assembly.parts import Part
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.exporter.storages import Storages
from hermpkg_build.runtime.mangling import demangle

if TYPE_CHECKING:
    from hermpkg_build.exporter.destination import FileDestination, StreamDestination
    from hermpkg_build.pickles.torchscript import TorchScript, TorchScriptRecord


class SavedData:
    """The records of saved data for an artifact at `destination`, with the folder `root`."""

    def __init__(self, destination: FileDestination | StreamDestination, root: str) -> None:
        self._new_storages = partial(Storages, destination, root)
        self.storages: Storages = self._new_storages()
        self._records: dict[str, Part] = {}
        self._torchscript: TorchScript | None = None

    def reserve(self, package: str, resource: str) -> str:
        """The record of a new resource. Raises ValueError for a name that is taken or malformed."""
        return free_record(demangle(package), resource, self._records)

    def add(self, record: str, data: bytes, kind: RecordKind) -> None:
        """Add a record with `data`."""
        self._records[record] = Part.of_bytes(record, data, kind=kind, cause=f"the {kind} {record}")

    @property
    def records(self) -> Collection[str]:
        """The records of pickles and resources."""
        return self._records.keys()

    @property
    def torchscript(self) -> TorchScript:
        """The archive of TorchScript, made at the first call; storages are numbered together with its own."""
        if self._torchscript is None:
            from hermpkg_build.pickles.torchscript import TorchScript

            self._torchscript = TorchScript()
            self.storages.share_with(self._torchscript)
        return self._torchscript

    def parts(self) -> Sequence[Part]:
        """All records; those of TorchScript only after `finish`."""
        written = self._torchscript.records() if self._torchscript is not None else ()
        return [*self._records.values(), *self.storages.parts, *map(_torchscript_part, written)]

    def finish(self) -> None:
        """Complete TorchScript; nothing more may be added."""
        if self._torchscript is not None:
            self._torchscript.finish()

    def release(self) -> None:
        """Drop all data."""
        self._records.clear()
        self.storages.close()
        self.storages = self._new_storages()
        if self._torchscript is not None:
            self._torchscript.close()
            self._torchscript = None


def _torchscript_part(record: TorchScriptRecord) -> Part:
    return Part(
        name=record.name,
        kind=RecordKind.FRAMEWORK if record.storage is None else RecordKind.STORAGE,
        content=record.content,
        digest=record.digest,
        crc32=record.crc32,
        cause="TorchScript",
    )


def data_files(
    files: Mapping[str, str], repacked: Mapping[str, bytes], taken: Collection[str]
) -> Iterator[Part]:
    """The parts for files that packed code reads, except those whose record is `taken`. Raises OSError.

    Files `repacked` from another package come before those of the environment.
    """
    for record, data in repacked.items():
        if record not in taken:
            yield Part.of_bytes(record, data, kind=RecordKind.RESOURCE, cause=f"the data file {record}")
    for record, path in files.items():
        if record not in taken and record not in repacked:
            digest, _ = hash_file(path)
            yield Part(
                name=record,
                kind=RecordKind.RESOURCE,
                content=FileSlice(path=path, size=digest.size, digest=digest),
                digest=digest,
                cause=f"the data file {record}",
            )
