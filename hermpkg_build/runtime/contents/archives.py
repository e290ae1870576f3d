"""Opens what an importer is given (path, folder, buffer, torch reader) as one kind of archive."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

from hermpkg_build.archive.directory import DirectoryReader
from hermpkg_build.archive.layout import (
    EXTERN_MODULES,
    NEWEST_READABLE_VERSION,
    VERSION_RECORD,
    problem_with_name,
)
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.errors import ArchiveError

_LONGEST_VERSION = 9

Source: TypeAlias = Any
"""A path, a binary stream, bytes, or torch's PyTorchFileReader: typed loosely, as torch may be absent."""


class PrivateRecords(Protocol):
    """Writable views of records."""

    def view(self, name: str) -> memoryview:
        """The bytes of a record; what is written to them stays private."""


class Archive(Protocol):
    """What the runtime needs of an archive, whatever it lies in. Methods raise ArchiveError."""

    @property
    def name(self) -> str:
        """What messages call it."""

    def names(self) -> Sequence[str]:
        """All record names."""

    def has(self, name: str) -> bool:
        """Whether there is such a record."""

    def size(self, name: str) -> int:
        """The number of a record's bytes, none of which is read for it."""

    def read(self, name: str) -> bytes:
        """A record's bytes, checked."""

    def view(self, name: str) -> memoryview:
        """A record's bytes, read-only, not checked."""

    def check(self, name: str) -> None:
        """Compare a record with its checksum."""

    def private_views(self) -> PrivateRecords:
        """Writable views."""

    def close(self) -> None:
        """Let go of the file."""


class ArtifactNotFoundError(ArchiveError, FileNotFoundError):
    """There is no file or folder at the path."""


class RecordNotFoundError(ArchiveError, FileNotFoundError):
    """The archive has no record of that name."""


def open_archive(source: Source) -> Archive:
    """The archive that `source` holds.

    Raises ArtifactNotFoundError, ArchiveError for what is no package or one of a format that this
    version does not know, TypeError for what is neither path nor binary stream.
    """
    archive = _open(source)
    try:
        _check_version(archive)
    except ArchiveError:
        archive.close()
        raise
    return archive


def _open(source: Source) -> Archive:
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        if not os.path.exists(path):
            raise ArtifactNotFoundError("there is no such file", facts=[("file", path)])
        return DirectoryReader(path) if os.path.isdir(path) else ArchiveReader(path)
    if isinstance(source, io.BytesIO):
        # Not its buffer: the owner may want to go on writing to the stream.
        return ArchiveReader(source.getvalue())
    if isinstance(source, (bytes, bytearray, memoryview)):
        return ArchiveReader(source)
    if is_torch_reader(source):
        return TorchReaderArchive(source)
    if isinstance(source, io.TextIOBase) or not (hasattr(source, "read") and hasattr(source, "seek")):
        raise TypeError(f"expected a path or a binary stream, not {type(source).__name__}")
    return ArchiveReader(source)


def read_externs(archive: Archive) -> list[str]:
    """The names of the extern modules, in the archive's order. Raises ArchiveError."""
    try:
        lines = archive.read(EXTERN_MODULES).decode().splitlines()
    except UnicodeDecodeError as error:
        raise ArchiveError(
            "the archive's list of extern modules is not text",
            facts=[("file", archive.name), ("record", EXTERN_MODULES), ("reason", str(error))],
        ) from None
    return [line.strip() for line in lines if line.strip()]


def is_torch_reader(source: object) -> bool:
    """Whether `source` is a PyTorchFileReader."""
    torch_c = sys.modules.get("torch._C")
    return torch_c is not None and isinstance(source, torch_c.PyTorchFileReader)


class TorchReaderArchive:
    """An archive behind a PyTorchFileReader that the caller has opened and keeps.

    Raises ArchiveError for a record whose name leads out of the folder it would be unpacked to: torch's
    reader takes any name.
    """

    name = "<pytorch_file_reader>"

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        # It lists folders, too, which are no records.
        self._names = [name for name in reader.get_all_records() if not name.endswith("/")]
        for name in self._names:
            if problem := problem_with_name(name):
                raise ArchiveError(
                    "a record of the archive has a name that is not allowed",
                    facts=[("file", self.name), ("record", repr(name)), ("reason", problem)],
                )

    def names(self) -> Sequence[str]:
        """All record names."""
        return list(self._names)

    def has(self, name: str) -> bool:
        """Whether there is such a record."""
        return bool(self.reader.has_record(name))

    def size(self, name: str) -> int:
        """The number of a record's bytes."""
        if not hasattr(self.reader, "get_record_size"):
            return len(self.read(name))  # That of an older torch does not tell.
        with _torch_errors(name):
            return int(self.reader.get_record_size(name))

    def read(self, name: str) -> bytes:
        """A record's bytes, checked by the reader."""
        with _torch_errors(name):
            return bytes(self.reader.get_record(name))

    def view(self, name: str) -> memoryview:
        """A record's bytes, read-only."""
        return memoryview(self.read(name))

    def check(self, name: str) -> None:
        """Compare a record with its checksum."""
        self.read(name)

    def private_views(self) -> PrivateRecords:
        """Writable copies of records."""
        return _Copies(self)

    def close(self) -> None:
        """The reader is the caller's."""


@contextmanager
def _torch_errors(record: str) -> Iterator[None]:
    """What torch's reader raises for a record as what ours does."""
    try:
        yield
    except RuntimeError as error:
        raise ArchiveError(
            "a record of the archive cannot be read", facts=[("record", record), ("reason", str(error))]
        ) from error


class _Copies:
    """Writable copies of records."""

    def __init__(self, archive: TorchReaderArchive) -> None:
        self._archive = archive

    def view(self, name: str) -> memoryview:
        return memoryview(bytearray(self._archive.read(name)))


def _check_version(archive: Archive) -> None:
    record = next((name for name in (VERSION_RECORD, "version") if archive.has(name)), None)
    if record is None or not archive.has(EXTERN_MODULES):
        step = "torch.load reads what torch.save writes" if archive.has("data.pkl") else ""
        missing = VERSION_RECORD if record is None else EXTERN_MODULES
        raise ArchiveError(
            "the archive is no package",
            facts=[("file", archive.name), ("reason", f"it has no record {missing}")],
            next_step=step,
        )
    text = archive.read(record).decode("ascii", "replace").strip()
    # The number of digits first: Python refuses to read a number of thousands of them.
    if not text.isdigit() or len(text) > _LONGEST_VERSION or not 0 < int(text) <= NEWEST_READABLE_VERSION:
        raise ArchiveError(
            "the archive has a format that this version of hermpkg cannot read",
            facts=[("file", archive.name), ("version", text[:80]), ("newest", str(NEWEST_READABLE_VERSION))],
            next_step="open it with the version of hermpkg or torch that wrote it, or a newer one",
        )
