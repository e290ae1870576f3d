"""Lists the contents of an artifact: its records with sizes and digests, and its manifest."""

from __future__ import annotations

import hashlib

from hermpkg_build.archive.layout import BYTEORDER, DATA, MANIFEST
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import OMITTED
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.module_names import module_of_record
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.mapped_pieces import pieces

_PICKLE_START = b"\x80"


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """One record: its kind, by the manifest or else by its name, its size, and the SHA-256 that it has now.

    `as_built` is whether size and SHA-256 are those in the manifest, None where it does not list the record.
    """

    name: str
    kind: str
    bytes: int
    sha256: str
    as_built: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """The contents of an artifact; `manifest` is None for one that torch.package wrote.

    `duplicates` are names that occur more than once, of which the last counts, and `strays` members outside
    of the root folder, which no reader gives.
    ``hermpkg inspect --json`` prints its JSON form.
    """

    root: str
    records: tuple[RecordFacts, ...]
    manifest: Manifest | None
    duplicates: tuple[str, ...] = field(default=(), metadata=OMITTED)
    strays: tuple[str, ...] = field(default=(), metadata=OMITTED)


def contents_of(archive: ArchiveReader) -> Contents:
    """List what `archive` holds; every record is read once. Raises ArchiveError for damaged records."""
    manifest = manifest_of(archive)
    records = tuple(record_facts(archive, manifest, name) for name in sorted(archive.names()))
    return Contents(
        root=archive.root,
        records=records,
        manifest=manifest,
        duplicates=archive.duplicates,
        strays=archive.strays,
    )


def digest_of(archive: ArchiveReader) -> Digest:
    """Return the digest of the whole file of `archive`, over the bytes that its records are read of."""
    whole = hashlib.sha256()
    raw = archive.raw()
    for piece in pieces(raw):
        whole.update(piece)
    return Digest(whole.hexdigest(), len(raw))


def manifest_of(archive: ArchiveReader) -> Manifest | None:
    """Read the manifest of `archive`, None where it has none. Raises ArchiveError where it is malformed."""
    if not archive.has(MANIFEST):
        return None
    try:
        return Manifest.from_bytes(archive.read(MANIFEST))
    except ArchiveError as error:
        raise error.in_file(archive.name) from None


def record_facts(archive: ArchiveReader, manifest: Manifest | None, name: str) -> RecordFacts:
    """Return the facts of the record `name`, which is read whole. Raises ArchiveError where it is damaged."""
    digest = Digest(archive.sha256(name), archive.size(name))
    listed = manifest.records.get(name) if manifest is not None else None
    return RecordFacts(
        name=name,
        kind=kind_of_record(manifest, name),
        bytes=digest.size,
        sha256=digest.hash,
        as_built=None if listed is None else listed.digest == digest,
    )


def kind_of_record(manifest: Manifest | None, name: str) -> str:
    """Return the kind of the record `name`: by the manifest where that lists it, else by its name."""
    listed = manifest.records.get(name) if manifest is not None else None
    return str(listed.kind) if listed is not None else _kind_by_name(name)


def begins_like_pickle(archive: ArchiveReader, name: str) -> bool:
    """Whether a record of a user begins as a pickle does, whatever its name is. Raises ArchiveError."""
    if name.startswith(DATA) or name.endswith(".py"):
        return False
    return bytes(next(archive.pieces(name), memoryview(b""))[:1]) == _PICKLE_START


def _kind_by_name(name: str) -> str:
    """Return the kind that torch.package gives a record of this name; pickles have their usual suffix."""
    if name == BYTEORDER or name.startswith(DATA):
        return str(RecordKind.STORAGE if name.endswith(".storage") else RecordKind.FRAMEWORK)
    if module_of_record(name) is not None:
        return str(RecordKind.MODULE)
    return str(RecordKind.PICKLE if name.endswith((".pkl", ".pickle")) else RecordKind.RESOURCE)
