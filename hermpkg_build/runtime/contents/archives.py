"""Opens what an importer is given (path, folder, buffer, torch reader) as an archive that policies accept."""

from __future__ import annotations

import hashlib
import importlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from hermpkg_build.archive.archive_file import ArchiveBytes, ArchiveSource, BinarySource
from hermpkg_build.archive.layout import (
    EXTERN_MODULES,
    LONGEST_NAME,
    NEWEST_READABLE_VERSION,
    VERSION_RECORD,
    is_too_long,
    problem_with_name,
    problem_with_size,
    storage_number,
)
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.unpacked import UnpackedReader
from hermpkg_build.disk.trust import may_have_policies
from hermpkg_build.errors import ArchiveError, ArchiveNotFoundError, LocalEnvironmentError

if TYPE_CHECKING:
    from hermpkg_build.trust.gate import Gate, GivenPolicy

_LONGEST_VERSION = 9
_LARGEST_VERSION = 64 << 10


class TorchFileReader(Protocol):
    """A PyTorchFileReader of torch, which has no type where torch is not installed."""

    def get_record(self, name: str, /) -> bytes:
        """Read a record."""

    def get_all_records(self) -> list[str]:
        """List the names of all records."""


Source: TypeAlias = ArchiveSource | TorchFileReader
"""A path, a binary stream, bytes, or torch's PyTorchFileReader."""


class ArtifactNotFoundError(ArchiveNotFoundError, FileNotFoundError):
    """There is no file or folder at the path."""


class RecordNotFoundError(ArchiveError, FileNotFoundError):
    """The archive has no record of that name."""


def admitted_archive(
    source: Source, trust: GivenPolicy | None, mapped: bool | None
) -> tuple[Archive, Gate | None]:
    """Open the archive at `source`, and return it with the gate for its pickles, if there is one.

    Raises TrustError where a policy does not accept it, ValueError where it cannot be `mapped` then, and what
    opening it raises.
    """
    gate = _gate(source, trust, mapped)
    archive = open_archive(source if gate is None else gate.source)
    if gate is not None:
        _decide(gate, archive)
    return archive, gate


def _gate(source: Source, trust: GivenPolicy | None, mapped: bool | None) -> Gate | None:
    """Make the gate where a policy is given, or the process has one; else load nothing of it."""
    if trust is None and not may_have_policies():
        return None
    from hermpkg_build.trust.gate import open_gate

    check_exists(source)
    gate = open_gate(source, trust)
    if gate is not None:
        gate.check_map(mapped)
    return gate


def _decide(gate: Gate, archive: Archive) -> None:
    """Raise TrustError where a policy does not accept the archive, which is closed then."""
    assert isinstance(archive, ArchiveReader)  # The gate gives nothing else to open.
    try:
        gate.decide(archive, read_externs(archive))
    except BaseException:
        archive.close()
        raise


def open_archive(source: Source | ArchiveBytes) -> Archive:
    """Open the archive that `source` holds.

    Raises ArtifactNotFoundError, ArchiveError for an archive that is not a package or has a format newer
    than this version knows, TypeError for a `source` that is neither a path nor a binary stream.
    """
    archive = _open(source)
    try:
        _check_version(archive)
    except ArchiveError:
        archive.close()
        raise
    return archive


def display_name(source: Source) -> str:
    """Return what people know a source by: its path, or what kind of thing it is."""
    if isinstance(source, (str, os.PathLike)):
        return os.fspath(source)
    return TorchReaderArchive.name if is_torch_reader(source) else "<binary>"


def local_source(source: Source) -> Source:
    """Give the file of a reference to a registry, which is pulled to the cache; any other `source` as it is.

    Raises LocalEnvironmentError where the registry cannot be asked, or what asks it is not installed.
    """
    if not (isinstance(source, str) and source.startswith("oci://")):
        return source
    try:
        opening = importlib.import_module("hermpkg_build.registry.opening")
    except ModuleNotFoundError as error:
        raise LocalEnvironmentError(
            "the extra `registry` is not installed",
            facts=[("reference", source), ("missing", error.name or "")],
            next_step="pip install 'hermpkg-build[registry]'",
        ) from error
    return str(opening.local_file(source))


def check_exists(source: Source) -> None:
    """Raise ArtifactNotFoundError for a path that leads nowhere."""
    if isinstance(source, (str, os.PathLike)) and not os.path.exists(source):
        raise ArtifactNotFoundError(os.fspath(source))


def _open(source: Source | ArchiveBytes) -> Archive:
    if isinstance(source, (str, os.PathLike)):
        path = os.fspath(source)
        check_exists(path)
        return UnpackedReader(path) if os.path.isdir(path) else ArchiveReader(path)
    if isinstance(source, io.BytesIO):
        # A copy, as the owner may want to go on writing to the stream.
        return ArchiveReader(source.getvalue())
    if isinstance(source, (bytes, bytearray, memoryview, ArchiveBytes)):
        return ArchiveReader(source)
    if is_torch_reader(source):
        return TorchReaderArchive(source)
    if isinstance(source, io.TextIOBase) or not (hasattr(source, "read") and hasattr(source, "seek")):
        raise TypeError(f"expected a path or a binary stream, not {type(source).__name__}")
    return ArchiveReader(cast(BinarySource, source))


def content_number(archive: Archive) -> int:
    """Give a number below 2^48 that archives with other contents do not have.

    It is that of the directory of a ZIP file, which has the checksum of each record; a random one where
    there is no such directory.
    """
    if isinstance(archive, ArchiveReader):
        return int.from_bytes(hashlib.blake2b(archive.directory(), digest_size=6).digest(), "big")
    return int.from_bytes(os.urandom(6), "big")


def read_externs(archive: Archive) -> list[str]:
    """Read the names of the extern modules, in the archive's order. Raises ArchiveError."""
    try:
        lines = archive.read(EXTERN_MODULES).decode().splitlines()
    except UnicodeDecodeError as error:
        raise ArchiveError(
            "the archive's list of extern modules is not text",
            facts=[("file", archive.name), ("record", EXTERN_MODULES), ("reason", str(error))],
        ) from None
    names = [line.strip() for line in lines if line.strip()]
    for name in names:
        if len(name) > LONGEST_NAME and is_too_long(name, "."):
            raise ArchiveError(
                "the archive's list of extern modules has a name that is too long",
                facts=[
                    ("file", archive.name),
                    ("module", f"{name[:LONGEST_NAME]}..."),
                    ("length", f"{len(name)} characters, {name.count('.') + 1} parts"),
                ],
            )
    return names


def is_torch_reader(source: object) -> bool:
    """Tell whether `source` is a PyTorchFileReader."""
    torch_c = sys.modules.get("torch._C")
    return torch_c is not None and isinstance(source, torch_c.PyTorchFileReader)


class TorchReaderArchive:
    """An archive behind a PyTorchFileReader that the caller has opened and keeps.

    Raises ArchiveError for a record whose name leads out of the folder that it would be unpacked to, which
    torch's reader does not check.
    """

    name = "<pytorch_file_reader>"

    def __init__(self, reader: Any) -> None:
        self.reader = reader
        # It also lists folders, which are not records.
        self._names = [name for name in reader.get_all_records() if not name.endswith("/")]
        for name in self._names:
            if problem := problem_with_name(name):
                raise ArchiveError(
                    "a record of the archive has a name that is not allowed",
                    facts=[("file", self.name), ("record", repr(name)), ("reason", problem)],
                )

    def names(self) -> Sequence[str]:
        """List the names of all records."""
        return list(self._names)

    def has(self, name: str) -> bool:
        """Tell whether there is a record `name`."""
        return bool(self.reader.has_record(name))

    def size(self, name: str) -> int:
        """Count the bytes of a record."""
        if not hasattr(self.reader, "get_record_size"):
            return len(self.read(name))  # The reader of an older torch cannot count them.
        with _torch_errors(name):
            return int(self.reader.get_record_size(name))

    def read(self, name: str) -> bytes:
        """Read a record, which the reader compares with its checksum."""
        if hasattr(self.reader, "get_record_size") and (
            problem := problem_with_size(name, self.size(name), len(self._names))
        ):
            raise ArchiveError(
                "a record of the archive cannot be read", facts=[("record", name), ("reason", problem)]
            )
        with _torch_errors(name):
            return bytes(self.reader.get_record(name))

    def view(self, name: str) -> memoryview:
        """Read a record as a read-only view."""
        return memoryview(self.read(name))

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a record, in hexadecimal."""
        return hashlib.sha256(self.read(name)).hexdigest()

    def sizes(self, names: Iterable[str]) -> list[int]:
        """Count the bytes of each of the records `names`."""
        return [self.size(name) for name in names]

    def private_views(self, _mapped: bool | None = None) -> Callable[[str], memoryview]:
        """Give a function that copies a record; writes to the copy do not reach the archive."""
        return lambda name: memoryview(bytearray(self.read(name)))

    def release(self) -> None:
        """Do nothing: the reader belongs to the caller."""

    def close(self) -> None:
        """Do nothing: the reader belongs to the caller."""


Archive: TypeAlias = ArchiveReader | UnpackedReader | TorchReaderArchive
"""An archive, wherever its bytes are; all have the same methods, which raise ArchiveError."""


@contextmanager
def _torch_errors(record: str) -> Iterator[None]:
    """Raise ArchiveError where torch's reader raises RuntimeError for `record`."""
    try:
        yield
    except RuntimeError as error:
        raise ArchiveError(
            "a record of the archive cannot be read", facts=[("record", record), ("reason", str(error))]
        ) from error


def _check_version(archive: Archive) -> None:
    record = next((name for name in (VERSION_RECORD, "version") if archive.has(name)), None)
    if record is None or not archive.has(EXTERN_MODULES):
        step = "torch.load reads what torch.save writes" if archive.has("data.pkl") else ""
        missing = VERSION_RECORD if record is None else EXTERN_MODULES
        raise ArchiveError(
            "the archive is not a package",
            facts=[("file", archive.name), ("reason", f"it has no record {missing}")],
            next_step=step,
        )
    if archive.size(record) > _LARGEST_VERSION:
        raise ArchiveError(
            "the archive is not a package",
            facts=[("file", archive.name), ("reason", f"its record {record} is no version")],
        )
    text = archive.read(record).decode("ascii", "replace").strip()
    # Its length first: Python refuses to read a number with thousands of digits.
    if not text.isdigit() or len(text) > _LONGEST_VERSION or not 0 < int(text) <= NEWEST_READABLE_VERSION:
        raise ArchiveError(
            "the archive has a format that this version of hermpkg cannot read",
            facts=[("file", archive.name), ("version", text[:80]), ("newest", str(NEWEST_READABLE_VERSION))],
            next_step="open it with the version of hermpkg or torch that wrote it, or a newer one",
        )


def record_not_found(archive: Archive, record: str) -> RecordNotFoundError:
    """Make the error for a record that an archive lacks, which names those that it may be meant for."""
    import difflib

    names = [name for name in archive.names() if not name.startswith(".data/")]
    close = difflib.get_close_matches(record, names, n=3)
    return RecordNotFoundError(
        "the artifact has no such record",
        facts=[("file", archive.name), ("record", record)],
        next_step=f"did you mean {' or '.join(close)}?" if close else "",
    )


def open_torch_reader(archive: Archive) -> Any:
    """Make a PyTorchFileReader of the archive that is open; a folder is packed in memory first."""
    import torch

    if isinstance(archive, TorchReaderArchive):
        return archive.reader
    if isinstance(archive, ArchiveReader):
        if archive.checks_reads:  # What torch reads is not seen.
            for name in archive.names():
                if storage_number(name) is None:
                    archive.view(name)
        return torch._C.PyTorchFileReader(archive.open_path() or io.BytesIO(archive.raw()))
    import zipfile

    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in archive.names():
            file.writestr(f"package/{name}", archive.read(name))
    packed.seek(0)
    return torch._C.PyTorchFileReader(packed)
