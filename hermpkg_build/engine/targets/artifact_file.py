"""Puts artifacts in their place: assembles them, or finds that they are there."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from hermpkg_build.archive.first_bytes import KnownFile
from hermpkg_build.archive.known_beginnings import write_after_tensors
from hermpkg_build.archive.layout import MANIFEST, storage_number
from hermpkg_build.archive.writer import Placed, write_archive
from hermpkg_build.assembly.artifact import ArtifactRequest, lay_out
from hermpkg_build.assembly.portability import portability_notes
from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.core.module_roles import Policy
from hermpkg_build.core.target import ModelPackage
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.descriptors import NAMES_STAY_OPEN, READ_UNLESS_LINK, read_at
from hermpkg_build.disk.midstates import (
    STRIDE,
    WORTHWHILE,
    Midstate,
    last_before,
    midstates_of,
    remembering_hash,
)
from hermpkg_build.disk.output_folders import check_no_link
from hermpkg_build.disk.signatures import FileSignature, signature_of
from hermpkg_build.disk.spare_files import WORTHWHILE as LEAST_SAME
from hermpkg_build.disk.spare_files import Replaced, Spare
from hermpkg_build.engine.noted_beginnings import (
    discard_spare,
    keep_beginning,
    noted_beginning,
    same_bytes,
    spare_path,
)
from hermpkg_build.engine.runner import Done, Ran
from hermpkg_build.errors import AnalysisError, CommandLineError, LocalEnvironmentError
from hermpkg_build.printable import pasteable
from hermpkg_build.store.action_cache import ActionResult

if TYPE_CHECKING:
    from hermpkg_build.archive.records import Record
    from hermpkg_build.archive.replaced_records import PresentArchive
    from hermpkg_build.assembly.record_contents import Contents
    from hermpkg_build.engine.context import Build
    from hermpkg_build.engine.journal import Journal


def output_path(build: Build, target: ModelPackage) -> str:
    """Return where the artifact goes.

    Raises CommandLineError where it would overwrite an input, WorkspaceError where a link would lead it out.
    """
    context = build.context
    path = build.request.out
    if path is None:
        default = os.path.join(OUTPUT_FOLDER, target.label.package, target.output)
        check_no_link(context.workspace.root, os.path.dirname(default))
        path = context.absolute(default)
    if context.tree.has_observed(path) or context.tree.has_observed(os.path.realpath(path)):
        raise CommandLineError(
            "the artifact would overwrite a file that the build has read",
            facts=[("file", context.shown(path))],
            next_step="give another file with --out",
        )
    return path


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactFile:
    """The artifact that `request` describes, at its place in the output folder or elsewhere."""

    build: Build
    target: ModelPackage
    request: ArtifactRequest
    path: str

    def assemble(self) -> Done[Digest]:
        """Write the file. Raises as `write_artifact`, and LocalEnvironmentError for its folder."""
        digest = self._write()
        # The artifact is where the target wants it, not in the content store; so it is no output there.
        return Done(value=digest, result=ActionResult(outputs={}, facts={"artifact": str(digest)}))

    def recall(self, result: ActionResult) -> Ran[Digest] | None:
        """Put the artifact of a recorded result in its place; None where it cannot be had again."""
        try:
            known = Digest.parse(cast("Mapping[str, str]", result.facts)["artifact"])
        except (KeyError, TypeError, ValueError):
            return None
        if self.build.notes.is_in_place(self.target.label, self.path, known):
            return Ran(value=known, status="up-to-date")
        if self._write() == known:
            return Ran(value=known, status="cached")
        label = self.target.label
        self.build.journal.warn(
            f"{label}: an earlier build gave other bytes for the same inputs (sha256 {known.hash[:16]})\n"
            f"  -> {pasteable('hermpkg', 'verify', '--rebuild', str(label))} looks for what makes them differ"
        )
        return None

    def _write(self) -> Digest:
        folder = os.path.dirname(self.path)
        try:
            os.makedirs(folder, exist_ok=True)
        except OSError as error:
            raise LocalEnvironmentError(
                f"cannot make a folder for the artifact of {self.target.label}",
                facts=[("folder", folder), ("reason", error.strerror or str(error))],
                next_step="remove what stands in its place, or write elsewhere with --out FILE",
            ) from error
        build, label = self.build, self.target.label
        root = build.context.workspace.root
        noted, place = noted_beginning(root, str(label)), spare_path(root, str(label))
        with _held(self.path, noted, place) as old:
            records = records_of_artifact(self.target, self.request, build.content, build.journal)
            written, signatures = None, list[FileSignature]()
            if noted is not None and old is not None:
                written = write_after_tensors(
                    self.path,
                    root=root_folder(self.target),
                    records=records,
                    present=old.descriptor,
                    known=noted,
                    same=partial(_same_storages, records),
                    spare=place,
                    placed=signatures.append,
                )
            if written is None:
                discard_spare(root, str(label))
                written = _write_all(self.path, self.target, records, signatures.append)
            digest, midstates = written
            build.notes.keep_artifact(label, self.path, digest, signatures[-1])
            known = KnownFile(digest.hash, signatures[-1], midstates)
            same = same_bytes(noted, known) if noted is not None else 0
            kept = old.keep() if old is not None and same >= LEAST_SAME else None
            spare = None if kept is None else Spare(kept, same)
            keep_beginning(root, str(label), known._replace(spare=spare))
        return digest


@contextmanager
def _held(path: str, noted: KnownFile | None, spare: str) -> Iterator[Replaced | None]:
    """Hold the artifact at `path` that is to be replaced, if it is the one that is `noted`."""
    try:
        descriptor = os.open(path, READ_UNLESS_LINK) if noted is not None and NAMES_STAY_OPEN else -1
    except OSError:
        descriptor = -1
    try:
        if noted is not None and descriptor >= 0 and _is_noted(descriptor, noted):
            with Replaced(path, descriptor, spare) as replaced:
                yield replaced
        else:
            yield None
    finally:
        if descriptor >= 0:
            os.close(descriptor)


def _is_noted(descriptor: int, noted: KnownFile) -> bool:
    """Whether an open file has the signature that is noted, and an end that leads to its digest."""
    last = last_before(noted.midstates, noted.size)
    hash_ = remembering_hash(last) if last is not None else None
    if last is None or hash_ is None or signature_of(os.fstat(descriptor)) != noted.signature:
        return False
    if noted.size - last[0] > 2 * STRIDE:
        return False
    hash_.update(read_at(descriptor, noted.size - last[0], last[0]))
    return hash_.hexdigest() == noted.sha256


def write_artifact(
    target: ModelPackage, path: str, request: ArtifactRequest, content: Contents, journal: Journal
) -> Digest:
    """Lay an artifact out and write it to `path`; return its digest. Raises what `lay_out` raises."""
    return _write_all(path, target, records_of_artifact(target, request, content, journal))[0]


def records_of_artifact(
    target: ModelPackage, request: ArtifactRequest, content: Contents, journal: Journal
) -> Sequence[Record]:
    """Lay an artifact out, and warn of what makes it less portable. Raises what `lay_out` raises."""
    try:
        records = lay_out(request, content)
    except AnalysisError as error:
        error.location = error.location or target.location
        raise
    externs = [node.name for node in request.graph.with_policy(Policy.EXTERN)]
    for note in portability_notes([record.name for record in records], externs):
        journal.warn(f"{target.label}: {note}")
    return records


def _write_all(
    path: str, target: ModelPackage, records: Sequence[Record], placed: Placed | None = None
) -> tuple[Digest, Sequence[Midstate]]:
    """Write an artifact; return its digest, and midstates on the way."""
    hash_ = remembering_hash() if sum(record.size for record in records) >= WORTHWHILE else None
    digest = write_archive(path, root=root_folder(target), records=records, hash_=hash_, placed=placed)
    return digest, midstates_of(hash_)


def _same_storages(records: Sequence[Record], present: PresentArchive) -> set[str]:
    """Return the names of those storages among `records` that have the same bytes in a present artifact."""
    manifest = next(record.content for record in records if record.name == MANIFEST)
    assert isinstance(manifest, bytes)
    try:
        before, now = (_records_in(data) for data in (present.read(MANIFEST), manifest))
        return {name for name in now if storage_number(name) is not None and before.get(name) == now[name]}
    except (ValueError, LookupError, TypeError, AttributeError):
        return set()  # It is no artifact of this version.


def _records_in(manifest: bytes) -> dict[str, Any]:
    told: Any = loads(manifest)
    return dict(told["records"])


def root_folder(target: ModelPackage) -> str:
    """Return the artifact's root folder: the target's name, whatever the file is called."""
    return target.label.name.replace("/", "_")
