"""Builds as the command line does them, again where a workspace is and as a copy of it from nothing."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from hermpkg_build.disk import signatures
from hermpkg_build.engine.build import build_part, build_targets
from hermpkg_build.engine.changed_part import changed_part
from hermpkg_build.engine.larger_request import examine_larger
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.opening import MakeRebuilder, open_build
from hermpkg_build.engine.rebuilder import CachingRebuilder
from hermpkg_build.engine.results import BuildRequest, TargetResult
from hermpkg_build.engine.snapshot import examine, find_renewed
from hermpkg_build.engine.snapshot_check import words_of
from hermpkg_build.engine.up_to_date import brought_up_to_date
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.workspace import find_workspace

TICK_S = 0.015
"""Longer than a tick of the kernel's clock (4 to 10 ms), so that an edit always shows in the signature."""

State = TypeVar("State")


@contextmanager
def quick_clock() -> Iterator[None]:
    """Let signatures settle after a tick of this file system's clock rather than of the coarsest one's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signatures, "SETTLING_NS", int(TICK_S * 0.7 * 1e9))
        yield


class Told(BuildObserver):
    """Notes what people are told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.targets: list[TargetResult] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def target_finished(self, result: TargetResult) -> None:
        self.targets.append(result)


@dataclass(frozen=True, slots=True)
class Gave:
    """What a build gives: the files of artifacts, the digests of targets, warnings, and the error."""

    artifacts: dict[str, bytes]
    targets: dict[str, tuple[str, int]]
    warnings: list[str]
    error: str


@dataclass(frozen=True, slots=True)
class Way:
    """How a build went: `by_look` where none was needed, the labels that it looked at otherwise."""

    by_look: bool
    looked_at: list[str]


def build(
    root: str | Path,
    cache: str | Path,
    pattern: str = "//...",
    *,
    make_rebuilder: MakeRebuilder = CachingRebuilder,
    from_nothing: bool = False,
) -> tuple[Gave, Way]:
    """Build `pattern` as the command line does, or, `from_nothing`, without a look at what was there."""
    told, looked_at, error = Told(), list[str](), ""
    request = BuildRequest(patterns=(pattern,), directory=str(root))
    targets: dict[str, tuple[str, int]] = {}
    found = None if from_nothing else brought_up_to_date(str(root), words_of(request.patterns))
    if found is not None:
        targets = {label: (sha256, size) for label, _, sha256, size, _ in found[0].values["targets"]}
    else:
        own = examined = None if from_nothing else examine(request)
        if not from_nothing and (examined is None or examined.changed):
            examined = examine_larger(request, examined) or examined
        part = changed_part(request, examined) if examined is not None else None
        asked = part.part_of_request(1) if part is not None else request
        try:
            if examined is not None and not examined.changed:
                told.warnings += examined.snapshot.warnings
                result = examined.result()
            elif examined is not None and (renewed := find_renewed(examined)) is not None:
                assert examined is not own, "what was looked at first could renew this too"
                result = renewed
            else:
                workspace = find_workspace(str(root))
                declared = part.declared() if part is not None else None
                with open_build(
                    workspace, asked, str(cache), told, make_rebuilder=make_rebuilder, declared=declared
                ) as opened:
                    looked_at = [str(label) for label in opened.labels]
                    result = build_part(opened, part) if part is not None else build_targets(opened)
                    told_of = {each.label for each in told.targets}
                    assert {each.label for each in result.targets if each.path} == told_of
            targets = {each.label: (each.sha256, each.bytes) for each in result.targets}
        except HermpkgError as problem:
            error = str(problem)
    outputs = Path(root, "hermpkg-out")
    artifacts = {str(path.relative_to(outputs)): path.read_bytes() for path in outputs.glob("**/*.pt")}
    gave = Gave({} if error else artifacts, targets, sorted(told.warnings), error)
    return gave, Way(found is not None, looked_at)


@dataclass(frozen=True, slots=True)
class Difference:
    """The first edit, by number, after which a build gave something else than one from nothing."""

    edit: int
    incremental: Gave
    clean: Gave


def first_difference(
    states: Iterable[State],
    write: Callable[[State, str], object],
    *,
    pattern: str = "//...",
    make_rebuilder: MakeRebuilder = CachingRebuilder,
    ways: list[Way] | None = None,
) -> Difference | None:
    """Build each of the `states` of a workspace where the one before was, and as a copy from nothing.

    `write` puts a state into a folder, which may have an earlier one. `ways` is given how each build went.
    """
    with tempfile.TemporaryDirectory() as folder:
        root, cache = str(Path(folder, "workspace")), Path(folder, "cache")
        for number, state in enumerate(states):
            time.sleep(TICK_S)
            write(state, root)
            time.sleep(TICK_S)
            incremental, way = build(root, cache, pattern, make_rebuilder=make_rebuilder)
            if ways is not None:
                ways.append(way)
            clean_root = str(Path(folder, f"clean {number}"))
            write(state, clean_root)
            clean, _ = build(clean_root, Path(folder, f"cache {number}"), pattern, from_nothing=True)
            shutil.rmtree(clean_root)
            if incremental != clean:
                return Difference(number, incremental, clean)
    return None
