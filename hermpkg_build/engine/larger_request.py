"""Answers requests for some targets by the snapshot of a larger request: that for all targets.

A target is as it was where nothing has changed that it rests on, nor anything that is not known to concern
other targets alone. So what is looked at grows with the target and the BUILD files, not with the workspace.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermpkg_build.dataclass import replace
from hermpkg_build.engine.changed_part import is_pattern, load_rests, output_of
from hermpkg_build.engine.results import BuildResult
from hermpkg_build.engine.snapshot import Examined, Snapshot, read_snapshot, request_words
from hermpkg_build.engine.snapshot_check import have_same_listings, snapshots

if TYPE_CHECKING:
    from hermpkg_build.engine.rests import Rests
    from hermpkg_build.engine.results import BuildRequest, TargetResult

_ALL = ("//...",)


def examine_larger(request: BuildRequest) -> Examined | None:
    """Return what is known of the targets of `request`, unchanged, by a build of all targets.

    None where that is not known, or something that may concern them has changed.
    """
    started = time.perf_counter()
    labels = frozenset(request.patterns)
    if request.out is not None or not all(map(_is_label, labels)):
        return None
    for path, stored in snapshots(request.directory, request_words(replace(request, patterns=_ALL))):
        snapshot = read_snapshot(stored)
        rests = load_rests(path, snapshot) if snapshot is not None else None
        if snapshot is None or rests is None:
            return None
        known = {target.label: target for target in snapshot.result.targets if target.label in labels}
        targets = [known[label] for label in dict.fromkeys(request.patterns) if label in known]
        if len(targets) < len(labels) or not _are_unchanged(path, snapshot, rests, targets):
            return None
        found = _narrowed(snapshot, rests, targets)
        return Examined(path=path, snapshot=found, changed=(), is_all=True, started=started)
    return None


def _is_label(pattern: str) -> bool:
    """Whether a pattern is the label of one target, as results show it."""
    return pattern.startswith("//") and pattern.count(":") == 1 and not is_pattern(pattern)


def _are_unchanged(path: str, snapshot: Snapshot, rests: Rests, targets: Sequence[TargetResult]) -> bool:
    """Whether the targets are as they were, by signatures alone."""
    own = rests.of_targets({target.label for target in targets})
    artifacts = [output_of(path, target) for target in targets if target.path]
    if own is None or not all(artifact in snapshot.outputs for artifact in artifacts):
        return False
    others = set(rests.files)
    looked_at = [at for at in range(len(snapshot.files)) if at in own or at not in others]
    return (
        snapshot.outputs.are_unchanged(map(snapshot.outputs.place, artifacts))
        and snapshot.files.are_unchanged(looked_at)
        and have_same_listings(snapshot.directories)
    )


def _narrowed(snapshot: Snapshot, rests: Rests, targets: Sequence[TargetResult]) -> Snapshot:
    """Return a snapshot with these targets only, and what was said of them or of the whole build.

    Which actions concern them is not known.
    """
    about = {"", *(target.label for target in targets)}
    warnings = [text for text in snapshot.warnings if not about.isdisjoint(rests.warnings.get(text, ("",)))]
    result = BuildResult(targets=tuple(targets), actions={}, wall_s=0.0)
    return replace(snapshot, result=result, warnings=tuple(warnings))
