"""What an artifact holds: its records with sizes and digests, and what its manifest says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

from hermpkg_build.archive.layout import BYTEORDER, DATA, MANIFEST
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.module_names import module_of_record
from hermpkg_build.core.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordFacts:
    """One record: its kind, by the manifest or else by its name, and size and SHA-256 of what it now holds.

    `as_built` says whether these are the manifest's; None where the manifest does not list the record.
    """

    name: str
    kind: str
    bytes: int
    sha256: str
    as_built: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """What an artifact holds; `manifest` is None for one that torch.package wrote.

    ``hermpkg inspect --json`` prints its JSON form.
    """

    root: str
    records: tuple[RecordFacts, ...]
    manifest: Manifest | None


def contents_of(archive: ArchiveReader) -> Contents:
    """Read everything in `archive` once. Raises ArchiveError for damaged records."""
    manifest = manifest_of(archive)
    records = tuple(_record(archive, manifest, name) for name in sorted(archive.names()))
    return Contents(root=archive.root, records=records, manifest=manifest)


def manifest_of(archive: ArchiveReader) -> Manifest | None:
    """The manifest of `archive`; None where there is none. Raises ArchiveError where it is malformed."""
    return Manifest.from_bytes(archive.read(MANIFEST)) if archive.has(MANIFEST) else None


def modules_by_policy(manifest: Manifest) -> Mapping[Policy, tuple[str, ...]]:
    """The names of the modules that have each policy, in order."""
    return {
        policy: tuple(sorted(name for name, module in manifest.modules.items() if module.policy is policy))
        for policy in Policy
    }


def _record(archive: ArchiveReader, manifest: Manifest | None, name: str) -> RecordFacts:
    archive.check(name)
    view = archive.view(name)
    digest = Digest(hashlib.sha256(view).hexdigest(), view.nbytes)
    listed = manifest.records.get(name) if manifest is not None else None
    return RecordFacts(
        name=name,
        kind=kind_of_record(manifest, name),
        bytes=digest.size,
        sha256=digest.hash,
        as_built=None if listed is None else listed.digest == digest,
    )


def kind_of_record(manifest: Manifest | None, name: str) -> str:
    """What the record `name` is, by the manifest where that lists it, else by its name."""
    listed = manifest.records.get(name) if manifest is not None else None
    return str(listed.kind) if listed is not None else _kind_by_name(name)


def _kind_by_name(name: str) -> str:
    """What torch.package would take a record of this name for; pickles are known by their usual suffix."""
    if name == BYTEORDER or name.startswith(DATA):
        return str(RecordKind.STORAGE if name.endswith(".storage") else RecordKind.FRAMEWORK)
    if module_of_record(name) is not None:
        return str(RecordKind.MODULE)
    return str(RecordKind.PICKLE if name.endswith((".pkl", ".pickle")) else RecordKind.RESOURCE)
