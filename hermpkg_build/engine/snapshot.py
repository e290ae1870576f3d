"""Snapshots: what a build looked at, by which the next one knows that nothing has changed.

A build that succeeds leaves a snapshot of every file and folder it looked at, by stat signature and digest.
The next request of the same words compares signatures, and reads again only what they leave in doubt. Where
all is as it was, the recorded result is the answer: no BUILD file is loaded, no module analysed, and
nothing heavy imported. This module must stay cheap to import.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import MutableMapping, Sequence
from contextlib import suppress
from typing import TypeAlias

from hermpkg_build.core.folders import OUTPUT_FOLDER, STATE_FOLDER
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.disk.signatures import FileSignature
from hermpkg_build.engine.observed_table import ObservedTable
from hermpkg_build.engine.results import ActionCounts, BuildRequest, BuildResult, TargetResult
from hermpkg_build.engine.snapshot_check import (
    StoredSnapshot,
    origin_file,
    path_of,
    present_signature,
    read_stored,
    snapshots,
    words_of,
)

_MOST_CHANGED = 100
"""After so many changes all targets are looked at again."""
_OLDER_SUFFIX = ".json"
"""How snapshots are called that no version reads any more."""


Entries: TypeAlias = MutableMapping[str, tuple[str, "FileSignature | None"]]
"""Absolute paths with the hash of what they hold and the signature that vouches for it, if any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What one successful build looked at and gave.

    `files` are hashed by their contents, `directories` by their listings; `outputs` are artifacts.
    """

    files: ObservedTable
    directories: ObservedTable
    outputs: ObservedTable
    result: BuildResult
    warnings: tuple[str, ...]
    resting: str = ""
    """The hash of what is kept beside it of what targets rest on, "" for nothing."""
    texts: str = ""
    """The hash of what is kept beside it of texts of modules, "" for nothing."""
    declared: str = ""
    """The hash of what is kept beside it of BUILD files, "" for nothing."""
    made: str = ""
    """The hash of what is kept beside it of a factory that ran, "" for nothing."""
    processor: str = ""
    """The processor that models were computed with all of, "" where none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """The snapshot of the last build of a request, at `path`, and the files and folders `changed` since.

    Of many that have only some are named: `is_all` tells whether these are all.
    """

    path: str
    snapshot: Snapshot
    changed: tuple[str, ...]
    is_all: bool
    started: float

    def result(self) -> BuildResult:
        """Return the result of that build, as that of one which began with this examination."""
        before = self.snapshot.result
        wall_s = time.perf_counter() - self.started
        return BuildResult(targets=before.targets, actions=before.actions, wall_s=wall_s)


def find_unchanged(request: BuildRequest) -> tuple[BuildResult, tuple[str, ...]] | None:
    """Return the result and the warnings of the last build of `request` if nothing has changed since.

    None where there is no snapshot of this user, or anything differs, is gone, or cannot be read.
    """
    examined = examine(request)
    if examined is None or examined.changed:
        return None
    return examined.result(), examined.snapshot.warnings


def examine(request: BuildRequest) -> Examined | None:
    """Return what has changed since the last build of `request`; None without a snapshot of this user.

    The workspace is found by the snapshot itself, which lists the files that make it the workspace, so no
    configuration is parsed here.
    """
    started = time.perf_counter()
    for path, stored in snapshots(request.directory, request_words(request)):
        snapshot = read_snapshot(stored)
        return None if snapshot is None else _examined(snapshot, path, started)
    return None


def find_renewed(examined: Examined) -> BuildResult | None:
    """Return the result of a request of which only texts of modules have changed, once artifacts have them.

    None where that takes a build. Raises OSError where an artifact cannot be written.
    """
    if not (examined.changed and examined.is_all and examined.snapshot.texts):
        return None
    from hermpkg_build.engine.text_edits import renewed

    stored = read_stored(examined.path)
    try:
        labels = renewed(examined.path, stored, examined.changed) if stored is not None else None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError):
        return None
    snapshot = read_snapshot(stored) if stored is not None else None
    if labels is None or snapshot is None:
        return None
    result = replace(examined, snapshot=snapshot).result()
    targets = [
        replace(target, status="built") if target.label in labels else target for target in result.targets
    ]
    return replace(result, targets=tuple(targets))


def mark_origin(root: str) -> None:
    """Let snapshots of the workspace `root` be kept, in folders that are made. Raises OSError.

    The folder of all outputs hides itself from git, as a virtual environment does. A `.gitignore` that is
    there already stays as it is, and where a link leads is not hidden.
    """
    outputs = os.path.join(root, OUTPUT_FOLDER)
    ignoring = os.path.join(outputs, ".gitignore")
    if not os.path.islink(outputs) and not os.path.lexists(ignoring):
        from hermpkg_build.disk.replacing import replace_file

        replace_file(ignoring, b"# Made by hermpkg.\n*\n")
    os.makedirs(os.path.join(root, STATE_FOLDER), exist_ok=True)
    with suppress(FileExistsError):
        os.close(os.open(origin_file(root), os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def snapshot_path(root: str, request: BuildRequest) -> str:
    """Return where the snapshot of `request` lies in the workspace `root`.

    Raises OSError where there can be none: `mark_origin` was not called.
    """
    return path_of(root, request.directory, request_words(request))


def request_words(request: BuildRequest) -> tuple[str, ...]:
    """Return what tells a request from others in the same folder."""
    conditions = ""
    if request.conditions is not None:
        from hermpkg_build.core.json_codec import to_json

        conditions = json.dumps(to_json(request.conditions), sort_keys=True)
    return words_of(
        request.patterns, out=request.out, strict_imports=request.strict_imports, conditions=conditions
    )


def save(path: str, snapshot: Snapshot) -> None:
    """Put `snapshot` at `path`. Raises OSError."""
    from hermpkg_build.disk.replacing import replace_file

    targets = [[t.label, t.path, t.sha256, t.bytes, list(t.reasons)] for t in snapshot.result.targets]
    actions = {kind: [c.run, c.cached] for kind, c in snapshot.result.actions.items()}
    values = {
        "targets": targets,
        "actions": actions,
        "warnings": snapshot.warnings,
        "resting": snapshot.resting,
        "texts": snapshot.texts,
        "declared": snapshot.declared,
        "made": snapshot.made,
        "processor": snapshot.processor,
    }
    stored = StoredSnapshot(values, snapshot.outputs, snapshot.files, snapshot.directories)
    replace_file(path, stored.to_bytes())
    _remove_older(os.path.dirname(path))


def _remove_older(folder: str) -> None:
    """Remove the snapshots of older versions from a folder."""
    for name in os.listdir(folder):
        if name.endswith(_OLDER_SUFFIX):
            with suppress(OSError):
                os.unlink(os.path.join(folder, name))


def read_snapshot(stored: StoredSnapshot) -> Snapshot | None:
    """Return a stored snapshot with its values; None where these are of other forms."""
    values = stored.values
    try:
        counts = {kind: ActionCounts(0, run + cached) for kind, (run, cached) in values["actions"].items()}
        targets = tuple(
            TargetResult(label=label, path=where, sha256=sha256, bytes=size, status="up-to-date")
            for label, where, sha256, size, _ in values["targets"]
        )
        return Snapshot(
            files=stored.files,
            directories=stored.directories,
            outputs=stored.outputs,
            result=BuildResult(targets=targets, actions=counts, wall_s=0.0),
            warnings=tuple(values["warnings"]),
            resting=str(values["resting"]),
            texts=str(values["texts"]),
            declared=str(values["declared"]),
            made=str(values["made"]),
            processor=str(values["processor"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _examined(snapshot: Snapshot, path: str, started: float) -> Examined:
    files: list[Entries] = [snapshot.outputs, snapshot.files]
    changed, renewed = find_changes(files, snapshot.directories, most=_MOST_CHANGED)
    if renewed and not changed:
        # Where this fails the next build reads the same few files again: slower, not wrong.
        with suppress(OSError):
            save(path, snapshot)
    return Examined(
        path=path,
        snapshot=snapshot,
        changed=tuple(changed),
        is_all=len(changed) < _MOST_CHANGED,
        started=started,
    )


def find_change(files: Sequence[Entries], directories: Entries) -> tuple[str, bool]:
    """Return a path that is no longer as it was, "" where all are, and whether signatures were renewed.

    What signatures do not vouch for is read, and vouched for by its present signature if it is as it was.
    """
    changed, renewed = find_changes(files, directories, most=1)
    return (changed[0] if changed else ""), renewed


def find_changes(files: Sequence[Entries], directories: Entries, *, most: int) -> tuple[list[str], bool]:
    """Return the paths that are no longer as they were, `most` of them at most; as `find_change` does."""
    doubtful = [
        (entries, name) for entries in (*files, directories) for name in _with_other_signatures(entries)
    ]
    return (_changed_among(doubtful, directories, most), True) if doubtful else ([], False)


def _with_other_signatures(entries: Entries) -> list[str]:
    if isinstance(entries, ObservedTable):
        return entries.changed()
    return [
        name
        for name, (_, signature) in entries.items()
        if signature is None or signature != present_signature(name)
    ]


def _changed_among(doubtful: Sequence[tuple[Entries, str]], directories: Entries, most: int) -> list[str]:
    from hermpkg_build.disk.source_tree import SourceTree, listing_digest
    from hermpkg_build.errors import HermpkgError

    tree = SourceTree()
    changed: list[str] = []
    for entries, name in doubtful:
        if len(changed) == most:
            return changed
        if not os.path.isabs(name) or (entries is not directories and _has_another_size(name, entries)):
            changed.append(name)
            continue
        try:
            now = listing_digest(tree.entries(name)) if entries is directories else tree.digest(name)
        except (OSError, HermpkgError):
            changed.append(name)
        else:
            if now.hash != entries[name][0]:
                changed.append(name)
    signatures = tree.observed_signatures()
    gone = set(changed)
    for entries, name in doubtful:
        if name not in gone:
            entries[name] = (entries[name][0], signatures.get(name))
    return changed


def _has_another_size(path: str, entries: Entries) -> bool:
    """Whether a file has another size than its signature says: it has changed, and need not be read."""
    known = entries[path][1]
    now = present_signature(path) if known is not None else None
    return known is not None and now is not None and now[0] != known[0]
