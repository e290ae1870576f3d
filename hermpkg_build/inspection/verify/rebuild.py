"""Verifies that a target is reproducible: builds it again under other conditions, and finds causes."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.label import Label
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.output_folders import check_no_link
from hermpkg_build.inspection.diff.compare import compare_archives
from hermpkg_build.inspection.diff.differences import Comparison
from hermpkg_build.inspection.diff.report import comparison_lines
from hermpkg_build.inspection.verify.causes import find_causes
from hermpkg_build.inspection.verify.scratch_builds import Attempt, ScratchBuilds, same_files
from hermpkg_build.inspection.verify.varied_conditions import CONDITIONS, build_conditions
from hermpkg_build.inspection.verify.verdicts import Verdict
from hermpkg_build.printable import pasteable


@dataclass(frozen=True, slots=True, kw_only=True)
class RebuildRequest:
    """A target to be built again, and how.

    `artifact` is the file that was built as usual, `root` the workspace; `runs` (from 1) counts the builds
    that must all be equal to it, of which the first is under usual conditions and the others under
    `conditions`.
    """

    label: Label
    artifact: str
    root: str
    conditions: tuple[str, ...]
    runs: int

    @property
    def kept(self) -> str:
        """The folder under `root` where two artifacts that differ are kept."""
        return f"{STATE_FOLDER}/rebuilt/{self.label.path}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why builds differ: the `conditions` that suffice, none where builds under equal ones differ.

    `what` is a sentence; `comparison` are the differences, `error` is that of a build that failed.
    """

    conditions: tuple[str, ...]
    what: str
    comparison: Comparison | None = None
    error: str = ""


def verify_rebuild(request: RebuildRequest, note: Callable[[str], None]) -> Verdict:
    """Build the target of `request` again, with empty caches, and judge whether the bytes are the same.

    Where they differ, further builds find the conditions that cause it, and two artifacts that differ are
    kept. `note` is called with a line before each build. Raises LocalEnvironmentError where copies of the
    workspace do not fit on the disk, and what `check_no_link` raises.
    """
    check_no_link(request.root, request.kept)
    with tempfile.TemporaryDirectory(prefix="hermpkg-rebuild-", ignore_cleanup_errors=True) as scratch:
        return _Experiment(request, scratch, note).run()


class _Experiment:
    """The builds of one verification, each of which is compared with one under usual conditions."""

    def __init__(self, request: RebuildRequest, scratch: str, note: Callable[[str], None]) -> None:
        self._request = request
        self._builder = ScratchBuilds(scratch, root=request.root, label=request.label)
        self._note = note
        self._builds = 0
        self._kept: tuple[str, str] | None = None

    def run(self) -> Verdict:
        usual = self._build((), f"rebuild 1 of {self._request.runs}, as usual")
        causes = tuple(self._causes(usual))
        whys = "; ".join(cause.what for cause in causes)
        return Verdict(
            subject=str(self._request.label),
            check="rebuild",
            summary=whys or f"{self._builds} rebuilds gave the same bytes",
            lines=tuple(_lines(causes, self._kept)),
            facts={"builds": self._builds, "causes": to_json(causes), "kept": to_json(self._kept)},
        )

    def _causes(self, usual: Attempt) -> Iterator[Cause]:
        if usual.error:
            what = "a build of a copy of the workspace fails"
            yield Cause(conditions=(), what=what, error=usual.error)
            return
        variants = ((variant, self._build_varied(variant)) for variant in range(1, self._request.runs))
        varied = next((found for found in variants if self._differs(usual, found[1])), None)
        if varied is None and same_files(self._request.artifact, usual.artifact):
            return
        again = self._build((), "looking for the cause: as usual, once more")
        if self._differs(usual, again):
            yield self._cause((), "builds differ that nothing distinguishes", usual, again)
        elif varied is None:
            what = "clean builds agree with each other, but not with the artifact that was there"
            yield self._cause((), what, Attempt(artifact=self._request.artifact), usual)
        else:
            yield from self._explain(usual, *varied)

    def _build_varied(self, variant: int) -> Attempt:
        said = f"rebuild {variant + 1} of {self._request.runs}, everything varied"
        return self._build(self._request.conditions, said, variant)

    def _explain(self, usual: Attempt, variant: int, other: Attempt) -> Iterator[Cause]:
        attempts = {self._request.conditions: other}

        def shows(conditions: Sequence[str]) -> bool:
            said = f"looking for the cause: {', '.join(conditions)}"
            attempts[tuple(conditions)] = self._build(conditions, said, variant)
            return self._differs(usual, attempts[tuple(conditions)])

        for conditions in find_causes(self._request.conditions, shows):
            alone = "alone suffices" if len(conditions) == 1 else "together suffice"
            what = f"{' and '.join(conditions)} {alone} to change the bytes"
            yield self._cause(conditions, what, usual, attempts[conditions])

    def _build(self, conditions: Sequence[str], said: str, variant: int = 1) -> Attempt:
        self._note(f"{self._request.label}: {said}")
        self._builds += 1
        return self._builder.build(build_conditions(conditions, self._builder.scratch, variant))

    def _differs(self, usual: Attempt, other: Attempt) -> bool:
        return bool(other.error) or not same_files(usual.artifact, other.artifact)

    def _cause(self, conditions: tuple[str, ...], what: str, a: Attempt, b: Attempt) -> Cause:
        if b.error:
            return Cause(conditions=conditions, what=f"{what}: the build fails", error=b.error)
        with ArchiveReader(a.artifact) as before, ArchiveReader(b.artifact) as after:
            comparison = compare_archives(before, after)
        if self._kept is None:
            self._kept = self._keep(a.artifact, b.artifact)
        return Cause(conditions=conditions, what=what, comparison=comparison)

    def _keep(self, a: str, b: str) -> tuple[str, str]:
        folder = os.path.join(self._request.root, self._request.kept)
        os.makedirs(folder, exist_ok=True)
        kept = os.path.join(folder, "a.pt"), os.path.join(folder, "b.pt")
        for source, target in zip((a, b), kept, strict=True):
            shutil.copyfile(source, target)
        return kept


def _lines(causes: Sequence[Cause], kept: tuple[str, str] | None) -> Iterator[str]:
    """Return lines on why a target is not reproducible; none where it is."""
    for cause in causes:
        yield f"cause: {cause.what}"
        for name in cause.conditions:
            yield f"  {name}: {CONDITIONS[name]}"
        if not cause.conditions and not cause.error and "nothing distinguishes" in cause.what:
            yield "  a time, random numbers without a seed, an address, or threads that race"
        if cause.comparison is not None:
            for line in comparison_lines(cause.comparison):
                yield f"  {line}"
        for line in cause.error.splitlines():
            yield f"  {line}"
    if kept is not None:
        yield f"both are kept: {pasteable('hermpkg', 'diff', *map(str, kept))}"
