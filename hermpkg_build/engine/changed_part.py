"""Builds the part of a request that an edit concerns, where it is known what each target rests on.

Beside a snapshot lies which files each target rests on, and which targets each warning is about. Where
nothing but such files has changed since, and artifacts, the targets that rest on them are built as a request
of their own, and all others are as they were. Anything else, such as a BUILD file, a folder with another
listing or a file that a factory read, concerns all targets.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import suppress
from typing import TYPE_CHECKING

from hermpkg_build.core.label import Label
from hermpkg_build.core.target import Model, PythonModules, Target
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.engine.beside_snapshots import beside, read_beside
from hermpkg_build.engine.early_workers import MADE, made_bytes
from hermpkg_build.engine.observed_table import ObservedTable
from hermpkg_build.engine.rests import Rests
from hermpkg_build.engine.results import ActionCounts, BuildResult, TargetResult
from hermpkg_build.engine.snapshot import Entries, Examined, Snapshot, save, snapshot_path
from hermpkg_build.engine.snapshot_check import root_of
from hermpkg_build.engine.text_uses import TEXTS, TextTable, load_table

if TYPE_CHECKING:
    from hermpkg_build.engine.context import Build
    from hermpkg_build.engine.results import BuildRequest
    from hermpkg_build.loading.declared_files import DeclaredFiles

_PATTERNS = ("all", "all-targets", "*")
"""The names of targets that are patterns where they stand after a colon."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangedPart:
    """The targets of a request that an edit concerns, and what is known of all."""

    request: BuildRequest
    examined: Examined
    rests: Rests
    labels: tuple[str, ...]

    def others(self) -> list[TargetResult]:
        """Return the results of the targets that are as they were."""
        concerned = frozenset(self.labels)
        return [target for target in self.examined.snapshot.result.targets if target.label not in concerned]

    def declared(self) -> DeclaredFiles | None:
        """Return the BUILD files, none of which has changed; None where it is not known what they declare."""
        from hermpkg_build.loading.declared_files import DeclaredFiles

        path, hash_ = self.examined.path, self.examined.snapshot.declared
        try:
            return DeclaredFiles.from_bytes(read_beside(path, "declared", hash_))
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def part_of_request(self, jobs: int) -> BuildRequest:
        """Return the request for the targets that the edit concerns."""
        return replace(self.request, patterns=self.labels, jobs=jobs)


def changed_part(request: BuildRequest, examined: Examined) -> ChangedPart | None:
    """Return the part of a request that what has changed concerns; None where that may be all of it."""
    snapshot = examined.snapshot
    if not examined.is_all or request.out is not None:
        return None
    rests = load_rests(examined.path, snapshot)
    if rests is None:
        return None
    changed = frozenset(examined.changed)
    files = {snapshot.files.place(path): path for path in changed if path in snapshot.files}
    resting, found = rests.on(files)
    known = {files[file] for file in found} | {path for path in changed if path in snapshot.outputs}
    concerned = resting | {
        target.label for target in snapshot.result.targets if output_of(examined.path, target) in changed
    }
    labels = [target.label for target in snapshot.result.targets if target.label in concerned]
    if known != changed or len(labels) < len(concerned):
        return None
    if not labels or any(map(is_pattern, labels)):
        return None
    return ChangedPart(request=request, examined=examined, rests=rests, labels=tuple(labels))


def is_pattern(label: str) -> bool:
    """Whether the label of a target, in a request, would stand for other targets too."""
    return label.rpartition(":")[2] in _PATTERNS


def output_of(snapshot_path: str, target: TargetResult) -> str:
    """Return the absolute path of an artifact of the workspace that a snapshot lies in, "" for none."""
    return os.path.join(root_of(snapshot_path), target.path) if target.path else ""


def merged(part: ChangedPart, built: BuildResult) -> BuildResult:
    """Return the result of the whole request, of which a part was built and the others were as they are.

    What failed of the part is left out, as it is of any build.
    """
    before = part.examined.snapshot.result
    found = {target.label: target for target in built.targets}
    counts = {}
    for kind in [*before.actions, *(kind for kind in built.actions if kind not in before.actions)]:
        ran = built.actions.get(kind, ActionCounts())
        known = before.actions.get(kind, ActionCounts())
        total = max(known.run + known.cached, ran.run + ran.cached)
        counts[kind] = ActionCounts(ran.run, total - ran.run)
    failed = frozenset(part.labels) - found.keys()
    targets = tuple(
        found.get(target.label, target) for target in before.targets if target.label not in failed
    )
    return replace(built, targets=targets, actions=counts)


def keep_whole(build: Build, result: BuildResult) -> None:
    """Leave a snapshot of a whole request. Raises OSError."""
    from hermpkg_build.loading.declared_files import declared_bytes

    context = build.context
    observed, directories = _observed(build)
    outputs = {context.absolute(target.path): target.sha256 for target in result.targets if target.path}
    files = ObservedTable.of(observed)
    _keep(
        snapshot_path(context.workspace.root, build.request),
        Snapshot(
            files=files,
            directories=ObservedTable.of(directories),
            outputs=ObservedTable.of(_placed(build, outputs)),
            result=result,
            warnings=build.journal.warnings,
            processor=_processor(build),
        ),
        Rests.of(_resting(build, result, files), build.journal.warnings_by_target()),
        _texts(build, result.targets, files),
        declared_bytes(build.build_files()),
        made_bytes(build.warm),
    )


def keep_part(build: Build, part: ChangedPart, built: BuildResult) -> None:
    """Leave a snapshot of the whole request, of which `build` has built a part. Raises OSError.

    There is none where a file was another one for the part than it is for all others.
    """
    before, context = part.examined.snapshot, build.context
    observed, directories = _observed(build)
    changed = frozenset(part.examined.changed)
    if _differ(before.files, observed, changed) or _differ(before.directories, directories, frozenset()):
        with suppress(FileNotFoundError):
            os.unlink(part.examined.path)
        return
    outputs = {context.absolute(target.path): target.sha256 for target in built.targets if target.path}
    files = before.files.with_changes(observed, changed)
    whole, renumbered = merged(part, built), None
    if files.paths[: len(before.files)] != before.files.paths:
        renumbered = {at: files.place(path) for at, path in enumerate(before.files.paths) if path in files}
    rests = part.rests.with_changes(
        _as_before(part, _resting(build, built, files), files),
        build.journal.warnings_by_target(),
        without=part.labels,
        renumbered=renumbered,
        shared={files.place(path) for path in context.tree.shared_files() if path in files},
    )
    _keep(
        part.examined.path,
        Snapshot(
            files=files,
            directories=before.directories.with_changes(directories, ()),
            outputs=before.outputs.with_changes(_placed(build, outputs), ()),
            result=whole,
            warnings=build.journal.warnings,
            declared=before.declared,
            made=before.made,
            processor=_processor(build) or before.processor,
        ),
        rests,
        _texts(build, whole.targets, files, part.examined, renumbered),
        made=made_bytes(build.warm),
    )


def _processor(build: Build) -> str:
    """This processor, where a model is computed with all of it; else ""."""
    from hermpkg_build.factories.processor import describe_platform
    from hermpkg_build.factories.request import BASELINE

    targets = build.context.targets.values()
    if all(target.cpu == BASELINE for target in targets if isinstance(target, Model)):
        return ""
    return describe_platform(native=True)


def keep_narrowed(path: str, snapshot: Snapshot, larger: Examined, rests: Rests) -> None:
    """Leave a `snapshot` of some targets at `path`, with what `rests` and a table of texts tell of them.

    They are of the snapshot of a `larger` request, of whose files it has a part. Raises OSError.
    """
    labels = [target.label for target in snapshot.result.targets]
    paths, texts = larger.snapshot.files.paths, load_table(larger.path, snapshot.texts)
    about = {
        text: [label for label in rests.warnings[text] if label in {"", *labels}]
        for text in snapshot.warnings
        if text in rests.warnings
    }
    numbers = {at: snapshot.files.place(name) for at, name in enumerate(paths) if name in snapshot.files}
    resting = {label: [numbers[file] for file in rests.of_targets({label}) or ()] for label in labels}
    try:
        declared = read_beside(larger.path, "declared", snapshot.declared)
    except ValueError:
        declared = b""
    _keep(
        path,
        replace(snapshot, declared="", made=""),
        Rests.of(resting, about),
        texts.of_targets(labels).renumbered(numbers) if texts is not None else None,
        declared,
    )


def tell_of_others(build: Build, part: ChangedPart) -> None:
    """Report the targets that are as they were, and what was to be said of them."""
    concerned = frozenset(part.labels)
    for text, labels in part.rests.warnings.items():
        if about := set(labels) - concerned:
            build.journal.warn(text, about=about)
    for target in part.others():
        if target.path:
            build.journal.target_finished(target)


def _observed(build: Build) -> tuple[Entries, Entries]:
    tree = build.context.tree
    signatures = tree.observed_signatures()
    files: Entries = {
        path: (digest.hash, signatures.get(path)) for path, digest in tree.observed_files().items()
    }
    folders: Entries = {
        path: (digest.hash, signatures.get(path))
        for path, digest in tree.observed_directories().items()
        if not tree.follows_from_others(path)
    }
    return files, folders


def _placed(build: Build, outputs: Mapping[str, str]) -> Entries:
    """Return outputs with the signatures of the files that the build has put there, or has found there.

    By now there can be files of another build, for which nothing vouches.
    """
    return {path: (sha256, build.notes.signature_of(path, sha256)) for path, sha256 in outputs.items()}


def _differ(before: ObservedTable, now: Entries, changed: AbstractSet[str]) -> bool:
    """Whether anything that was not known to have `changed` is not what it was before."""
    return any(
        path in before and path not in changed and before[path][0] != entry[0] for path, entry in now.items()
    )


def _resting(build: Build, result: BuildResult, table: ObservedTable) -> dict[str, list[int]]:
    """Return the files that each target of a result rests on, by itself or by the targets that it needs."""
    own, shared = build.context.resting.files(), build.context.tree.shared_files()
    found: dict[str, list[int]] = {}
    for target in result.targets:
        queue, paths = [Label.parse(target.label)], set[str]()
        known = set(queue)
        for label in queue:
            paths |= own.get(label, frozenset())
            needed = _needed_by(build.context.targets, label)
            queue += [other for other in needed if other not in known]
            known.update(needed)
        found[target.label] = [table.place(path) for path in paths - shared if path in table]
    return found


def _as_before(
    part: ChangedPart, resting: Mapping[str, list[int]], table: ObservedTable
) -> dict[str, list[int]]:
    """Return `resting` without the files of which it was not known before which targets rest on them.

    The targets that were not built now did something with these, too, so that they concern all still.
    """
    before = part.examined.snapshot.files
    paths = {table.paths[file] for files in resting.values() for file in files}
    old = {before.place(path) for path in paths if path in before}
    shared = {table.place(before.paths[file]) for file in old.difference(part.rests.files)}
    return {label: [file for file in files if file not in shared] for label, files in resting.items()}


def _needed_by(targets: Mapping[Label, Target], label: Label) -> list[Label]:
    """List the targets whose results a target holds. It notes by itself which modules it rests on."""
    target = targets[label]
    if isinstance(target, PythonModules):
        return []
    return [other for other in target.dependencies if not isinstance(targets[other], PythonModules)]


def _texts(
    build: Build,
    targets: Sequence[TargetResult],
    files: ObservedTable,
    before: Examined | None = None,
    renumbered: Mapping[int, int] | None = None,
) -> TextTable | None:
    """Return what `targets` do with texts of modules, of which `before` tells where they were not built.

    The `files` of that may have been `renumbered`. None where an edit of a text is told of, or has to be
    shared.
    """
    if build.journal.warnings or build.shared is not None or build.executor is not None:
        return None
    table: TextTable | None = None
    known: Collection[int] = ()
    if before is not None:
        table, known = load_table(before.path, before.snapshot.texts), range(len(before.snapshot.files))
        if table is not None and renumbered is not None:
            table, known = table.renumbered(renumbered), renumbered.values()
        if table is None:
            return None
    return build.context.texts.table(
        {target.label for target in targets},
        files,
        by_text=build.context.tree.files_by_text(),
        known=known,
        before=table,
    )


def _keep(
    path: str,
    snapshot: Snapshot,
    rests: Rests,
    texts: TextTable | None,
    declared: bytes = b"",
    made: bytes = b"",
) -> None:
    """Keep a snapshot, and what belongs beside it; what is not `declared`, or `made`, is there already."""
    kept = {
        "resting": rests.to_bytes(),
        TEXTS: texts.to_bytes() if texts is not None else b"",
        "declared": declared,
        MADE: made,
    }
    hashes = {"declared": snapshot.declared, MADE: snapshot.made, TEXTS: ""}
    for what, data in kept.items():
        if data:
            replace_file(beside(path, what), data)
            hashes[what] = hashlib.sha256(data).hexdigest()
    save(
        path,
        replace(
            snapshot,
            resting=hashes["resting"],
            texts=hashes[TEXTS],
            declared=hashes["declared"],
            made=hashes[MADE],
        ),
    )


def load_rests(path: str, snapshot: Snapshot) -> Rests | None:
    """Return what is kept beside a snapshot, where it is that which was kept with it."""
    try:
        return Rests.from_bytes(read_beside(path, "resting", snapshot.resting))
    except (OSError, ValueError, KeyError, TypeError):
        return None
