"""Verifies an artifact file: its bytes by checksums, manifest and layout, its needs by this machine."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import suppress

from hermpkg_build.archive.layout import (
    BYTEORDER,
    DATA,
    EXTERN_MODULES,
    MANIFEST,
    PYTHON_VERSION,
    VERSION,
    VERSION_RECORD,
)
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.record_digests import digest_records
from hermpkg_build.archive.zip_format import END, END_SIGNATURE
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.manifest import Manifest, RecordKind
from hermpkg_build.core.manifest_bytes import manifest_bytes
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.texts import aligned, counted
from hermpkg_build.disk.crc32 import quick_crc32
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.contents import manifest_of
from hermpkg_build.inspection.verify.environment_audit import audit_environment
from hermpkg_build.inspection.verify.layout_audit import Problem, audit_layout
from hermpkg_build.inspection.verify.verdicts import Verdict
from hermpkg_build.runtime.contents.archives import read_externs
from hermpkg_build.runtime.contents.checks import (
    ArtifactEnvironmentError,
    check_environment,
    check_python,
)

_TAIL = 1 << 20


def verify_archive(path: str, subject: str, *, environment: bool = True) -> Verdict:
    """Read the artifact at `path` once, and judge it under the name `subject`.

    With `environment` the distributions of its extern modules must be installed here, in versions that it
    allows; none of its code is run. Raises ArchiveError where there is no such file.
    """
    notes: list[str] = []
    try:
        reader = ArchiveReader(path)
    except ArchiveError as error:
        if not os.path.isfile(path):
            raise
        problems, records = [_bytes_behind(path) or _structural(error)], 0
    else:
        with reader:
            problems, records = list(_problems(reader, environment, notes)), len(reader.names())
    rows = [(problem.record or "the file", problem.rule, problem.found) for problem in problems]
    return Verdict(
        subject=subject,
        check="file",
        summary=counted(len(rows), "problem") if rows else f"{records} records, each as it was built",
        lines=tuple(aligned([("record", "rule", "found"), *rows])) if rows else (),
        notes=tuple(notes),
        facts={"problems": to_json(problems)},
    )


def has_manifest(path: str) -> bool:
    """Whether the artifact at `path` has a manifest; also where it cannot be opened, which others find."""
    try:
        with ArchiveReader(path) as reader:
            return reader.has(MANIFEST)
    except ArchiveError:
        return True


def _problems(reader: ArchiveReader, environment: bool, notes: list[str]) -> Iterator[Problem]:
    digests: dict[str, str] = {}
    yield from _record_problems(reader, digests)
    try:
        manifest = manifest_of(reader)
    except ArchiveError as error:
        yield _structural(error, MANIFEST)
        return
    if manifest is None:
        # The layout is that of torch.package then, and not audited.
        yield Problem(record=MANIFEST, rule="has a manifest", found="is missing")
        return
    try:
        read_externs(reader)
    except ArchiveError as error:
        # A list that is missing or unreadable is among the problems already.
        if EXTERN_MODULES in digests:
            yield _structural(error, EXTERN_MODULES)
    yield from audit_layout(reader)
    yield from _manifest_problems(reader, manifest, digests)
    yield from _checksum_problem(reader, manifest, digests)
    yield from audit_environment(reader, manifest)
    if environment:
        yield from _environment_problems(reader, manifest, notes)


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
    for name, sha256, crc32, problem in digest_records(reader, reader.names(), quick_crc32):
        if problem is not None:
            yield _structural(problem, name)
            continue
        digests[name] = sha256
        if crc32 != (stated := reader.entry(name).crc32):
            found = f"does not match its checksum: CRC-32 {crc32:08x}, {stated:08x} by the directory"
            yield Problem(record=name, rule="sound archive", found=found)


def _manifest_problems(
    reader: ArchiveReader, manifest: Manifest, digests: Mapping[str, str]
) -> Iterator[Problem]:
    if (data := reader.read(MANIFEST)) != (canonical := manifest_bytes(manifest)):
        differ = (at for at, (a, b) in enumerate(zip(data, canonical, strict=False)) if a != b)
        place = next(differ, min(len(data), len(canonical)))
        found = f"other bytes than hermpkg writes for what it says, from {place} on: {data[place:][:40]!r}"
        yield Problem(record=MANIFEST, rule="canonical manifest", found=found)
    for name in sorted(manifest.models.keys() - manifest.records.keys()):
        yield Problem(record=name, rule="in the manifest", found="a model, but no record, by the manifest")
    present = set(reader.names()) - {MANIFEST}
    for name in sorted(present - manifest.records.keys()):
        yield Problem(record=name, rule="in the manifest", found="was added: the manifest does not list it")
    for name, record in sorted(manifest.records.items()):
        if name not in present:
            yield Problem(record=name, rule="in the manifest", found="is gone: the manifest lists it")
            continue
        digest = digests.get(name)
        # A record that cannot be read has no digest, and is among the problems already.
        if (record.kind is RecordKind.STORAGE) != (name.startswith(DATA) and name.endswith(".storage")):
            yield Problem(record=name, rule="kind of its name", found=f"is a {record.kind} by the manifest")
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
        (BYTEORDER, "little"),
    ):
        if name not in present:
            yield Problem(record=name, rule="has all of the format", found="is missing")
        elif name in digests and digests[name] != Digest.of(expected.encode()).hash:
            yield Problem(record=name, rule="agrees with the manifest", found="contradicts the manifest")


def _checksum_problem(
    reader: ArchiveReader, manifest: Manifest, digests: Mapping[str, str]
) -> Iterator[Problem]:
    """Find a digest of checksums in the manifest that is another although all records are as it says."""
    if manifest.checksums in ("", reader.checksums()):
        return
    if {name: record.digest.hash for name, record in manifest.records.items()} == {
        name: sha256 for name, sha256 in digests.items() if name != MANIFEST
    }:
        found = f"{manifest.checksums[:16]!r}..., {reader.checksums()[:16]}... by the directory"
        yield Problem(record=MANIFEST, rule="checksums of its records", found=found)


def _environment_problems(reader: ArchiveReader, manifest: Manifest, notes: list[str]) -> list[Problem]:
    """Find what this machine lacks, and note other versions than the artifact was built with."""
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
    notes += [str(warning.message) for warning in caught]
    return problems
