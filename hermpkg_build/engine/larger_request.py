"""Answers requests for some targets by the snapshot of a larger request: that for all targets.

A target is as it was where nothing has changed that it rests on, nor anything that is not known to concern
other targets alone. So what is looked at grows with the target and the BUILD files, not with the workspace.
Where something has, the larger snapshot becomes one of the request, as if that had been built then.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermpkg_build.dataclass import replace
from hermpkg_build.engine.changed_part import is_pattern, keep_narrowed, load_rests, output_of
from hermpkg_build.engine.results import BuildResult
from hermpkg_build.engine.snapshot import (
    Examined,
    Snapshot,
    examine,
    read_snapshot,
    request_words,
    snapshot_path,
)
from hermpkg_build.engine.snapshot_check import have_same_listings, root_of, snapshots

if TYPE_CHECKING:
    from hermpkg_build.engine.rests import Rests
    from hermpkg_build.engine.results import BuildRequest, TargetResult

_ALL = ("//...",)


def examine_larger(request: BuildRequest, own: Examined | None = None) -> Examined | None:
    """Return what has changed for the targets of `request` since a build of all targets.

    None where that is not known, or where nothing was built after the build of the request itself, of which
    `own` is known.
    """
    started = time.perf_counter()
    larger = replace(request, patterns=_ALL)
    if request.out is not None or not all(map(_is_label, request.patterns)):
        return None
    if own is not None and not _is_later(snapshot_path(root_of(own.path), larger), own.path):
        return None
    for path, stored in snapshots(request.directory, request_words(larger)):
        snapshot = read_snapshot(stored)
        rests = load_rests(path, snapshot) if snapshot is not None else None
        if snapshot is None or rests is None:
            return None
        found = _narrowed(path, snapshot, rests, request.patterns)
        if found is None:
            return None
        if _are_unchanged(found):
            return Examined(path=path, snapshot=found, changed=(), is_all=True, started=started)
        whole = Examined(path=path, snapshot=snapshot, changed=(), is_all=False, started=started)
        try:
            keep_narrowed(snapshot_path(root_of(path), request), found, whole, rests)
        except OSError:
            return None
        return examine(request)
    return None


def _is_label(pattern: str) -> bool:
    """Whether a pattern is the label of one target, as results show it."""
    return pattern.startswith("//") and pattern.count(":") == 1 and not is_pattern(pattern)


def _is_later(path: str, other: str) -> bool:
    """Whether one snapshot was kept after another one; both tell the truth, of different times."""
    try:
        return os.stat(path).st_mtime_ns > os.stat(other).st_mtime_ns
    except OSError:
        return False


def _are_unchanged(snapshot: Snapshot) -> bool:
    """Whether all is as it was, by signatures alone."""
    tables = (snapshot.outputs, snapshot.files)
    return not any(table.changed() for table in tables) and have_same_listings(snapshot.directories)


def _narrowed(path: str, snapshot: Snapshot, rests: Rests, labels: Sequence[str]) -> Snapshot | None:
    """Return the snapshot with some targets only, the files that may concern them, and what was said of them.

    Which actions concern them is not known. None where something is not known of each of them.
    """
    known = {target.label: target for target in snapshot.result.targets}
    own = rests.of_targets({*labels})
    if own is None or not known.keys() >= {*labels}:
        return None
    targets: list[TargetResult] = [known[label] for label in dict.fromkeys(labels)]
    artifacts = [output_of(path, target) for target in targets if target.path]
    if not all(artifact in snapshot.outputs for artifact in artifacts):
        return None
    others = set(rests.files)
    files = [at for at in range(len(snapshot.files)) if at in own or at not in others]
    about = {"", *labels}
    warnings = [text for text in snapshot.warnings if not about.isdisjoint(rests.warnings.get(text, ("",)))]
    return replace(
        snapshot,
        files=snapshot.files.only(files),
        outputs=snapshot.outputs.only([snapshot.outputs.place(artifact) for artifact in artifacts]),
        result=BuildResult(targets=tuple(targets), actions={}, wall_s=0.0),
        warnings=tuple(warnings),
    )
