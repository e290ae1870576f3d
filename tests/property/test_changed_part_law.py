"""The law of incremental builds, for many packages over shared modules: what an edit concerns is enough.

After each edit a workspace is built twice: again where it is, by the way that looks only at what rests on the
edited files, and as a copy elsewhere, from nothing. A build that forgets what a target rests on must break
the law, or the test would prove nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from hermpkg_build.disk import signatures
from hermpkg_build.engine.build import BuildFailedError, build_part, build_targets
from hermpkg_build.engine.changed_part import changed_part
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.opening import open_build
from hermpkg_build.engine.resting import Resting
from hermpkg_build.engine.results import BuildRequest, TargetResult
from hermpkg_build.engine.snapshot import examine
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.workspace import find_workspace
from tests.property.shared_workspaces import FOLDERS, MODULES, STATEMENTS, Workspace, names, workspaces

TICK_S = 0.015
"""Longer than a tick of the kernel's clock (4 to 10 ms), so that an edit always shows in the signature."""

CHAIN = Workspace(
    imports={"space.five.a": [(0, "one.a")], "three.a": [(0, "one.b")], "two.a": [(0, "three.b")]},
    deps={"space/five": frozenset({"one"}), "three": frozenset({"one"}), "two": frozenset({"three"})},
    packages=frozenset(FOLDERS),
)
Gave = tuple[dict[str, bytes], list[str], list[str]]


class Told(BuildObserver):
    """Notes what people are told."""

    def __init__(self) -> None:
        self.warnings: list[str] = []
        self.targets: list[TargetResult] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)

    def target_finished(self, result: TargetResult) -> None:
        self.targets.append(result)


def build(root: Path, cache: Path) -> tuple[Gave, list[str]]:
    """Build all targets as the command line does: artifacts, warnings and errors; the labels looked at."""
    told, looked_at, errors = Told(), ["nothing"], []
    request = BuildRequest(patterns=("//...",), directory=str(root))
    examined = examine(request)
    if examined is not None and not examined.changed:
        told.warnings += examined.snapshot.warnings
    else:
        part = changed_part(request, examined) if examined is not None else None
        asked = part.part_of_request(1) if part is not None else request
        try:
            with open_build(find_workspace(str(root)), asked, str(cache), told) as opened:
                looked_at = [str(label) for label in opened.labels]
                result = build_part(opened, part) if part is not None else build_targets(opened)
                assert {each.label for each in result.targets if each.path} == {
                    each.label for each in told.targets
                }
        except HermpkgError as error:
            errors.append(str(error))
    outputs = root / "hermpkg-out"
    artifacts = {str(path.relative_to(outputs)): path.read_bytes() for path in outputs.glob("**/*.pt")}
    return (artifacts if not errors else {}, sorted(told.warnings), errors), looked_at


Edit = Callable[[Workspace], Workspace]


def first_difference(workspace: Workspace, edits: Sequence[Edit]) -> tuple[int, Gave, Gave] | None:
    """The first edit after which a build where it is gives something else than one from nothing."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder, "workspace")
        for number, edit in enumerate([lambda same: same, *edits]):
            workspace = edit(workspace)
            time.sleep(TICK_S)
            workspace.write(root)
            time.sleep(TICK_S)
            incremental, _ = build(root, Path(folder, "cache"))
            clean_root = Path(folder, f"clean {number}")
            workspace.write(clean_root)
            clean, _ = build(clean_root, Path(folder, f"cache {number}"))
            if incremental != clean:
                return number, incremental, clean
    return None


@pytest.fixture(autouse=True, scope="module")
def _quick_clock() -> object:
    """Let signatures settle after a tick of this file system's clock rather than of the coarsest one's."""
    patch = pytest.MonkeyPatch()
    patch.setattr(signatures, "SETTLING_NS", int(TICK_S * 0.7 * 1e9))
    yield
    patch.undo()


def importing(module: str, imports: list[tuple[int, str]]) -> Edit:
    return lambda before: replace(before, imports={**before.imports, module: imports})


edits = st.one_of(
    st.builds(
        importing,
        st.sampled_from(MODULES),
        st.lists(st.tuples(st.integers(0, len(STATEMENTS) - 1), names), max_size=2),
    ),
    st.tuples(st.sampled_from(MODULES), st.integers(0, 3)).map(
        lambda t: lambda before: replace(before, comments={**before.comments, t[0]: t[1]})
    ),
    st.tuples(st.sampled_from(FOLDERS), st.integers(0, 2)).map(
        lambda t: lambda before: replace(before, policies={**before.policies, t[0]: t[1]})
    ),
    st.booleans().map(lambda makes: lambda before: replace(before, makes=makes)),
)


@settings(max_examples=4, phases=[Phase.generate])
@given(workspaces, st.lists(edits, min_size=2, max_size=3))
def test_what_an_edit_concerns_is_enough(workspace: Workspace, history: list[Edit]) -> None:
    assert first_difference(workspace, history) is None


COMMENTS = [lambda before: replace(before, comments={"one.b": 7}), importing("one.b", [(0, "one.a")])]


def test_an_edit_of_what_two_artifacts_hold_makes_both_again() -> None:
    assert first_difference(CHAIN, COMMENTS) is None


def test_forgetting_what_targets_rest_on_breaks_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    note = Resting.note

    def forgetful(self: Resting, label: object, paths: object) -> None:
        if "three:out" not in str(label):
            note(self, label, paths)  # type: ignore[arg-type]

    monkeypatch.setattr(Resting, "note", forgetful)
    found = first_difference(CHAIN, COMMENTS)
    assert found is not None
    assert found[0] == 1


def test_only_what_rests_on_the_edited_file_is_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    CHAIN.write(root)
    time.sleep(TICK_S)
    assert len(build(root, tmp_path / "cache")[1]) == 2 * len(FOLDERS)
    time.sleep(TICK_S)
    replace(CHAIN, comments={"one.b": 1}).write(root)
    time.sleep(TICK_S)
    assert build(root, tmp_path / "cache")[1] == ["//one:code", "//three:out"]
    time.sleep(TICK_S)
    assert build(root, tmp_path / "cache")[1] == ["nothing"]
    (root / "hermpkg-out" / "two" / "out.pt").write_bytes(b"lost")
    assert build(root, tmp_path / "cache")[1] == ["//two:out"]
    (root / "two" / "c.py").write_text("")
    assert len(build(root, tmp_path / "cache")[1]) == 2 * len(FOLDERS), "a file more concerns all"


def test_a_target_that_fails_after_an_edit_is_not_among_the_results(tmp_path: Path) -> None:
    root, cache = tmp_path / "workspace", tmp_path / "cache"
    CHAIN.write(root)
    time.sleep(TICK_S)
    build(root, cache)
    (root / "one" / "b.py").write_text("def (:")
    request = BuildRequest(patterns=("//...",), directory=str(root), keep_going=True)
    examined = examine(request)
    assert examined is not None
    part = changed_part(request, examined)
    assert part is not None
    with (
        open_build(find_workspace(str(root)), part.part_of_request(1), str(cache), Told()) as opened,
        pytest.raises(BuildFailedError) as caught,
    ):
        build_part(opened, part)
    labels = {target.label for target in caught.value.result.targets}
    assert not labels & {"//one:code", "//three:out"}
    assert "//two:out" in labels
    CHAIN.write(root)
    time.sleep(TICK_S)
    (gave, _), clean_root = build(root, cache), tmp_path / "clean"
    CHAIN.write(clean_root)
    assert gave == build(clean_root, tmp_path / "clean cache")[0]
