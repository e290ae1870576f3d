"""Opens any file with tensors in pickles: an artifact, one of torch.save, a plain pickle; as data, always."""

from __future__ import annotations

import mmap
import os
import stat
from collections.abc import Callable, Mapping

from hermpkg_build.archive.layout import BYTEORDER, DATA, EXTERN_MODULES
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.manifest import RecordKind
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.contents import begins_like_pickle, kind_of_record, manifest_of
from hermpkg_build.pickles.reading.pickle_entries import entries_of
from hermpkg_build.pickles.reading.tensor_entries import TensorEntry, tensor_entries
from hermpkg_build.pickles.reading.torch_saves import Place, read_pickle_file
from hermpkg_build.runtime.contents.tensor_storages import StorageRecords
from hermpkg_build.scanning.file_kinds import is_safetensors

_SAVED = "data.pkl"
_ZIP = b"PK"
_HEADER = b"{"
"""Behind its size in eight bytes, the header of a safetensors file begins so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorFile:
    """A file with tensors: those of each pickle, by its record, and where the bytes of storages are.

    `unread` says of pickles that make no sense, by their records, why.
    """

    name: str
    size: int
    pickles: Mapping[str, tuple[TensorEntry, ...]]
    unread: Mapping[str, str]
    records: StorageRecords


def tensor_file(path: str, record: str = "") -> TensorFile:
    """Read the tensors of the file at `path`; of an artifact those of all its pickles, or of `record` alone.

    Raises ArchiveError, also where there is no pickle.
    """
    if _is_zip(path):
        return tensors_in_archive(ArchiveReader(path), record)
    if record:
        raise ArchiveError("the file is one pickle, and has no records", facts=[("file", path)])
    return _plain(path)


def tensors_in_archive(archive: ArchiveReader, record: str = "") -> TensorFile:
    """Read the tensors of an open archive, as `tensor_file` does."""
    records: StorageRecords = archive
    if not archive.has(EXTERN_MODULES) and archive.has(_SAVED):
        names, records = [_SAVED], _SavedRecords(archive)
    else:
        manifest = manifest_of(archive)
        names = [
            name
            for name in sorted(archive.names())
            if kind_of_record(manifest, name) == RecordKind.PICKLE
            or (manifest is None and begins_like_pickle(archive, name))
        ]
    if record:
        if not archive.has(record):
            raise ArchiveError(
                "the artifact has no such record",
                facts=[("file", archive.name), ("record", record)],
                next_step=f"its pickles are: {', '.join(names[:5])}" if names else "",
            )
        names = [record]
    pickles: dict[str, tuple[TensorEntry, ...]] = {}
    unread: dict[str, str] = {}
    for name in names:
        found = _entries(archive, name)
        if isinstance(found, str):
            unread[name] = found
        else:
            pickles[name] = found
    size = len(archive.raw())
    return TensorFile(name=archive.name, size=size, pickles=pickles, unread=unread, records=records)


def _entries(archive: ArchiveReader, name: str) -> tuple[TensorEntry, ...] | str:
    """Return the tensors of a pickle, or why it makes no sense."""
    if archive.entry(name).is_inflated:
        return "it unpacks to too much"
    try:
        return tuple(entries_of(archive.read(name), name))
    except ValueError as error:
        return str(error)


def _is_zip(path: str) -> bool:
    """Tell whether the file is to be read as an archive: all but what begins like other kinds."""
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            return True
        with open(path, "rb") as file:
            start = file.read(9)
    except OSError:
        return True
    if start[:2] == _ZIP:
        return True
    return start[:1] not in (b"\x80", b"}", b"]", b"(", b"c") and start[8:] != _HEADER


def _plain(path: str) -> TensorFile:
    """Read a file that is one pickle."""
    with open(path, "rb") as opened:
        data = mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_COPY)
    record = os.path.basename(path)
    try:
        file = read_pickle_file(data)
        entries = tuple(tensor_entries(file.root, record))
    except ValueError as error:
        if is_safetensors(memoryview(data)):
            raise ArchiveError(
                "the file is one of safetensors, which no code is needed to read",
                facts=[("file", path)],
                next_step="load it: safetensors.torch.load_file(FILE)",
            ) from None
        raise ArchiveError(
            "the file is neither an archive nor a pickle that makes sense",
            facts=[("file", path), ("reason", str(error))],
        ) from None
    return TensorFile(
        name=path,
        size=len(data),
        pickles={record: entries},
        unread={},
        records=_PlacedRecords(path, memoryview(data), file.places),
    )


class _SavedRecords:
    """The records of a file that torch.save wrote, under the names that an artifact has for storages."""

    def __init__(self, archive: ArchiveReader) -> None:
        self.name = archive.name
        self._archive = archive

    def has(self, name: str) -> bool:
        return self._archive.has(_saved(name))

    def read(self, name: str) -> bytes:
        return self._archive.read(_saved(name))

    def private_views(self, mapped: bool | None = None) -> Callable[[str], memoryview]:
        view = self._archive.private_views(mapped)
        return lambda name: view(_saved(name))


def _saved(name: str) -> str:
    """Return the name that torch.save gives a record."""
    if name != BYTEORDER and name.startswith(DATA):
        return f"data/{name.removeprefix(DATA).removesuffix('.storage')}"
    return name


class _PlacedRecords:
    """The storages of a file that is one pickle."""

    def __init__(self, name: str, data: memoryview, places: Mapping[str, Place]) -> None:
        self.name = name
        self._data = data
        self._places = places

    def has(self, name: str) -> bool:
        return name in self._places

    def read(self, name: str) -> bytes:
        return bytes(self._view(name))

    def private_views(self, _mapped: bool | None = None) -> Callable[[str], memoryview]:
        return self._view

    def _view(self, name: str) -> memoryview:
        place = self._places[name]
        data = self._data if place.data is None else memoryview(bytearray(place.data))
        return data[place.offset : place.offset + place.size]
