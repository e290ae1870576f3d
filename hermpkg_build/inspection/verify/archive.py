"""Verifies an artifact file: its bytes by checksums, manifest and layout, its needs by this machine."""

from __future__ import annotations

import hashlib
import os
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from hermpkg_build.archive.layout import (
    EXTERN_MODULES,
    MANIFEST,
    PYTHON_VERSION,
    VERSION,
    VERSION_RECORD,
)
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.zip_format import END, END_SIGNATURE
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import Manifest
from hermpkg_build.core.policy import Policy
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.contents import manifest_of
from hermpkg_build.inspection.diff.byte_pieces import pieces
from hermpkg_build.inspection.verify.layout_audit import Problem, audit_layout
from hermpkg_build.runtime.contents.checks import (
    ArtifactEnvironmentError,
    check_environment,
    check_python,
)

_TAIL = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """The result for one artifact: its problems, and notes on what is unusual without being wrong."""

    problems: tuple[Problem, ...]
    notes: tuple[str, ...] = ()
    records: int = 0


def verify_archive(path: str, *, environment: bool = True) -> Verification:
    """Read the artifact at `path` once, and find its problems.

    With `environment` the distributions of its extern modules must be installed here, in versions that it
    allows; none of its code is run. Raises ArchiveError where there is no such file.
    """
    try:
        reader = ArchiveReader(path)
    except ArchiveError as error:
        if not os.path.isfile(path):
            raise
        return Verification(problems=(_bytes_behind(path) or _structural(error),))
    with reader:
        digests: dict[str, str] = {}
        problems = list(_record_problems(reader, digests))
        try:
            manifest = manifest_of(reader)
        except ArchiveError as error:
            problems.append(_structural(error, MANIFEST))
            return Verification(problems=tuple(problems), records=len(reader.names()))
        if manifest is None:
            # The layout is that of torch.package then, and not audited.
            problems.append(Problem(record=MANIFEST, rule="has a manifest", found="is missing"))
            return Verification(problems=tuple(problems), records=len(reader.names()))
        problems += audit_layout(reader)
        problems += _manifest_problems(reader, manifest, digests)
        notes: tuple[str, ...] = ()
        if environment:
            found, notes = _environment_problems(reader, manifest)
            problems += found
        return Verification(problems=tuple(problems), notes=notes, records=len(reader.names()))


def _structural(error: ArchiveError, record: str = "") -> Problem:
    facts = {name: value for name, value in error.facts if name != "file"}
    record = facts.pop("record", record)
    more = "".join(f"; {name}: {value}" for name, value in facts.items())
    return Problem(record=record, rule="sound archive", found=error.summary + more)


def _bytes_behind(path: str) -> Problem | None:
    """Return the problem of an archive that only looks cut off, because bytes follow its end record."""
    with open(path, "rb") as file:
        file.seek(max(0, os.path.getsize(path) - _TAIL))
        tail = file.read()
    place = tail.rfind(END_SIGNATURE.to_bytes(4, "little"))
    if place < 0 or place + END.size > len(tail):
        return None
    behind = len(tail) - place - END.size - END.unpack_from(tail, place)[-1]
    if behind <= 0:
        return None
    return Problem(record="", rule="nothing hidden", found=f"{behind} bytes behind the archive")


def _record_problems(reader: ArchiveReader, digests: dict[str, str]) -> Iterator[Problem]:
    """Read each record once, compare it with its checksum, and note its SHA-256 in `digests`."""
    for name in reader.names():
        try:
            entry, view = reader.entry(name), reader.view(name)
        except ArchiveError as error:
            yield _structural(error, name)
            continue
        hasher, crc32 = hashlib.sha256(), 0
        for piece in pieces(view):
            hasher.update(piece)
            crc32 = zlib.crc32(piece, crc32)
        digests[name] = hasher.hexdigest()
        if crc32 != entry.crc32:
            found = f"does not match its checksum: CRC-32 {crc32:08x}, {entry.crc32:08x} by the directory"
            yield Problem(record=name, rule="sound archive", found=found)


def _manifest_problems(
    reader: ArchiveReader, manifest: Manifest, digests: Mapping[str, str]
) -> Iterator[Problem]:
    present = set(reader.names()) - {MANIFEST}
    for name in sorted(present - manifest.records.keys()):
        yield Problem(record=name, rule="in the manifest", found="was added: the manifest does not list it")
    for name, record in sorted(manifest.records.items()):
        if name not in present:
            yield Problem(record=name, rule="in the manifest", found="is gone: the manifest lists it")
            continue
        digest = digests.get(name)
        # A record that cannot be read has no digest, and is among the problems already.
        if digest is not None and digest != record.digest.hash:
            found = f"was changed: sha256 {digest[:16]}..., {record.digest.hash[:16]}... by the manifest"
            yield Problem(record=name, rule="as in the manifest", found=found)
    externs = "".join(
        f"{name}\n" for name, module in sorted(manifest.modules.items()) if module.policy is Policy.EXTERN
    )
    for name, expected in (
        (VERSION_RECORD, f"{VERSION}\n"),
        (EXTERN_MODULES, externs),
        (PYTHON_VERSION, manifest.python_version),
    ):
        if name in digests and digests[name] != Digest.of(expected.encode()).hash:
            yield Problem(record=name, rule="agrees with the manifest", found="contradicts the manifest")


def _environment_problems(reader: ArchiveReader, manifest: Manifest) -> tuple[list[Problem], tuple[str, ...]]:
    """Return what this machine lacks, and notes on other versions than the artifact was built with."""
    problems: list[Problem] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        # A record that cannot be read is among the problems already.
        with suppress(ArchiveError):
            check_python(reader, "warn")
        try:
            check_environment(reader, manifest, "warn")
        except ArtifactEnvironmentError as error:
            problems = [Problem(record=n, rule="allowed here", found=what) for n, what in error.facts]
    return problems, tuple(str(warning.message) for warning in caught)
