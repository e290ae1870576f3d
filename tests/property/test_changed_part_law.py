"""The law of incremental builds, for many packages over shared modules: what an edit concerns is enough.

After each edit a workspace is built twice: again where it is, by the way that looks only at what rests on the
edited files, and as a copy elsewhere, from nothing. A build that forgets what a target rests on must break
the law, or the test would prove nothing.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import pytest
from hypothesis import Phase, example, given, settings
from hypothesis import strategies as st

from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.engine.build import BuildFailedError, build_part
from hermpkg_build.engine.changed_part import changed_part
from hermpkg_build.engine.observed_table import ObservedTable
from hermpkg_build.engine.opening import open_build
from hermpkg_build.engine.resting import Resting
from hermpkg_build.engine.rests import Rests
from hermpkg_build.engine.results import BuildRequest
from hermpkg_build.engine.snapshot import examine
from hermpkg_build.loading.evaluation_cache import EvaluationCache
from hermpkg_build.loading.workspace import find_workspace
from tests.property.incremental_builds import (
    TICK_S,
    Difference,
    Told,
    Way,
    build,
    first_difference,
    quick_clock,
)
from tests.property.shared_workspaces import FOLDERS, MODULES, STATEMENTS, Workspace, names, workspaces

CHAIN = Workspace(
    imports={"space.five.a": [(0, "one.a")], "three.a": [(0, "one.b")], "two.a": [(0, "three.b")]},
    deps={"space/five": frozenset({"one"}), "three": frozenset({"one"}), "two": frozenset({"three"})},
    packages=frozenset(FOLDERS),
)
Edit = Callable[[Workspace], Workspace]


def difference(
    workspace: Workspace, edits: Sequence[Edit], ways: list[Way] | None = None
) -> Difference | None:
    """The first edit after which a build where it is gives something else than one from nothing."""
    states = accumulate(edits, lambda before, edit: edit(before), initial=workspace)
    return first_difference(states, lambda state, root: state.write(Path(root)), ways=ways)


@pytest.fixture(autouse=True, scope="module")
def _quick_clock() -> Iterator[None]:
    with quick_clock():
        yield


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
    assert difference(workspace, history) is None


EDITS: list[Edit] = [importing("one.b", [(0, "json")]), importing("one.b", [(0, "one.a")])]


def test_an_edit_of_what_two_artifacts_hold_makes_both_again() -> None:
    assert difference(CHAIN, EDITS) is None


def test_forgetting_what_targets_rest_on_breaks_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    note = Resting.note

    def forgetful(self: Resting, label: object, paths: object) -> None:
        if "three:out" not in str(label):
            note(self, label, paths)  # type: ignore[arg-type]

    monkeypatch.setattr(Resting, "note", forgetful)
    found = difference(CHAIN, EDITS)
    assert found is not None
    assert found.edit == 1


def test_only_what_rests_on_the_edited_file_is_looked_at(tmp_path: Path) -> None:
    root = tmp_path / "workspace"
    CHAIN.write(root)
    time.sleep(TICK_S)
    cache = tmp_path / "cache"
    assert len(build(root, cache)[1].looked_at) == 2 * len(FOLDERS)
    time.sleep(TICK_S)
    EDITS[0](CHAIN).write(root)
    time.sleep(TICK_S)
    assert build(root, cache)[1].looked_at == ["//one:code", "//three:out"]
    time.sleep(TICK_S)
    assert build(root, cache)[1].by_look
    (root / "hermpkg-out" / "two" / "out.pt").write_bytes(b"lost")
    assert build(root, cache)[1].looked_at == ["//two:out"]
    (root / "two" / "c.py").write_text("")
    assert len(build(root, cache)[1].looked_at) == 2 * len(FOLDERS), "a file more concerns all"


MODEL_BUILD = """
load("@hermpkg//rules:defs.bzl", "intern", "model", "model_package", "python_modules")
python_modules(name = "code", srcs = glob(["*.py"]))
model(name = "net", factory = "net.factory:make", deps = [":code"])
model_package(name = "out", deps = [":code"], models = {"m/m.pkl": ":net"}, policy = [intern("net.**")])
model_package(name = "more", deps = [":code"], modules = ["net.more"], policy = [intern("net.**")])
"""
FACTORY = """
from net import helper


class Net:
    def __init__(self):
        self.value = helper.VALUE


def make():
    return Net()
"""
MODEL_FILES = {
    "pyproject.toml": "[tool.hermpkg]\n",
    "net/BUILD": MODEL_BUILD,
    "net/__init__.py": "",
    "net/factory.py": FACTORY,
    "net/helper.py": "VALUE = 1\n",
    "net/more.py": "import net.helper\n",
    "net/aside.py": "",
}
MODEL_EDITS = [f"net/{name}.py" for name in ("factory", "helper", "more", "aside")]


def model_difference(edits: Sequence[tuple[str, str]]) -> Difference | None:
    """The first of `edits`, texts put at the end of files, after which builds of a model differ."""

    def edited(before: dict[str, str], edit: tuple[str, str]) -> dict[str, str]:
        return {**before, edit[0]: MODEL_FILES[edit[0]] + edit[1]}

    def write(files: dict[str, str], root: str) -> None:
        for path, text in files.items():
            file = Path(root, path)
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_text() != text:
                file.write_text(text)

    return first_difference(accumulate(edits, edited, initial=MODEL_FILES), write)


@settings(max_examples=4, phases=[Phase.explicit, Phase.generate])
@example([("net/aside.py", "# 1\n"), ("net/factory.py", "VALUE = 2\n")])
@example([("net/aside.py", "VALUE = 2\n"), ("net/helper.py", "VALUE = 2\n")])
@given(
    st.lists(
        st.tuples(st.sampled_from(MODEL_EDITS), st.sampled_from(["# 1\n", "VALUE = 2\n", "VALUE = 3\n"])),
        min_size=2,
        max_size=4,
    )
)
def test_what_a_model_reads_concerns_it_after_builds_without_it(edits: list[tuple[str, str]]) -> None:
    assert model_difference(edits) is None


@pytest.mark.parametrize("kept", ["whole", "damaged"])
def test_build_files_are_read_again_only_where_it_is_not_known_what_they_declare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kept: str
) -> None:
    root, cache = tmp_path / "workspace", tmp_path / "cache"
    CHAIN.write(root)
    time.sleep(TICK_S)
    build(root, cache)
    EDITS[0](CHAIN).write(root)
    time.sleep(TICK_S)
    (declared,) = (root / STATE_FOLDER).rglob("*.declared")
    if kept == "damaged":
        declared.write_bytes(declared.read_bytes()[:-1])
    read = list[str]()
    get = EvaluationCache.get

    def noting(self: EvaluationCache, package: str, path: str) -> object:
        read.append(path)
        return get(self, package, path)

    monkeypatch.setattr(EvaluationCache, "get", noting)
    assert build(root, cache)[1].looked_at == ["//one:code", "//three:out"]
    assert bool(read) is (kept == "damaged")


COMMENT: Edit = lambda before: replace(before, comments={**before.comments, "one.b": 7})  # noqa: E731


def test_comments_need_no_build(tmp_path: Path) -> None:
    ways: list[Way] = []
    assert difference(CHAIN, [COMMENT, EDITS[0], lambda before: replace(before, comments={})], ways) is None
    assert [way.by_look for way in ways] == [False, True, False, True]


def test_edits_of_code_that_are_taken_for_comments_break_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hermpkg_build.source.code_identity.have_same_code", lambda *_: True)
    found = difference(CHAIN, EDITS)
    assert found is not None
    assert found.edit == 1


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


def build_one_by_one(folder: Path) -> tuple[list[str], list[str]]:
    """Build all, edit a module, build each target alone; return those that are wrong, and those built."""
    root, cache, clean_root = folder / "workspace", folder / "cache", folder / "clean"
    CHAIN.write(root)
    time.sleep(TICK_S)
    build(root, cache)
    EDITS[0](CHAIN).write(root)
    time.sleep(TICK_S)
    EDITS[0](CHAIN).write(clean_root)
    clean, _ = build(clean_root, folder / "clean cache", from_nothing=True)
    stale, built = [], []
    for label, digest in clean.targets.items():
        gave, way = build(root, cache, label)
        stale += [] if gave.targets == {label: digest} and not gave.error else [label]
        built += way.looked_at
    return stale, built


def test_one_target_is_known_by_a_build_of_all(tmp_path: Path) -> None:
    """Where the edit does not concern it."""
    assert build_one_by_one(tmp_path) == ([], ["//one:code", "//three:out"])


def test_forgetting_what_targets_rest_on_breaks_builds_of_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = Resting.note

    def forgetful(self: Resting, label: object, paths: object) -> None:
        if str(label) == "//three:out":
            paths = [path for path in paths if not path.endswith("one/b.py")]  # type: ignore[attr-defined]
        note(self, label, paths)  # type: ignore[arg-type]

    monkeypatch.setattr(Resting, "note", forgetful)
    stale, _ = build_one_by_one(tmp_path)
    assert stale == ["//three:out"]


Request = tuple[Edit, str]
UNCHANGED: Edit = lambda before: before  # noqa: E731


def wrong_request(workspace: Workspace, requests: Sequence[Request]) -> int | None:
    """Edit, and build what is asked for, again and again; the first request that gives what is wrong."""
    with tempfile.TemporaryDirectory() as folder:
        root, cache = Path(folder, "workspace"), Path(folder, "cache")
        for number, (edit, pattern) in enumerate([(UNCHANGED, "//..."), *requests]):
            workspace = edit(workspace)
            time.sleep(TICK_S)
            workspace.write(root)
            time.sleep(TICK_S)
            gave, _ = build(root, cache, pattern)
            clean_root = Path(folder, f"clean {number}")
            workspace.write(clean_root)
            clean, _ = build(clean_root, Path(folder, f"cache {number}"), pattern, from_nothing=True)
            # What nobody asked for is as it was before.
            there = {path: gave.artifacts.get(path) for path in clean.artifacts}
            if replace(gave, artifacts=there) != clean:
                return number
    return None


requests = st.tuples(
    st.one_of(edits, st.just(UNCHANGED)),
    st.sampled_from(["//...", *(f"//{folder}:{name}" for folder in FOLDERS for name in ("out", "code"))]),
)


@settings(max_examples=4, phases=[Phase.generate])
@given(st.lists(requests, min_size=3, max_size=5))
def test_requests_for_all_and_for_one_give_what_they_would_from_nothing(history: list[Request]) -> None:
    assert wrong_request(CHAIN, history) is None


ONE = "//three:out"
MIXED: list[Request] = [
    (EDITS[0], ONE),  # Known by the build of all, but for what it rests on.
    (EDITS[1], ONE),  # By its own build.
    (EDITS[0], "//..."),
    (UNCHANGED, ONE),  # By the later one of all.
    (lambda before: replace(before, comments={"one.b": 3}), ONE),
    (importing("two.a", []), "//two:out"),
    (lambda before: replace(before, policies={"two": 1}), "//two:out"),
]


def test_requests_for_one_after_builds_of_all_give_what_they_would_from_nothing() -> None:
    assert wrong_request(CHAIN, MIXED) is None


@pytest.mark.parametrize("forgotten", ["rests", "BUILD files"])
def test_forgetting_what_concerns_one_target_breaks_requests_for_it(
    monkeypatch: pytest.MonkeyPatch, forgotten: str
) -> None:
    only = ObservedTable.only

    def forgetful(self: ObservedTable, kept: Sequence[int], added: Sequence[str] = ()) -> ObservedTable:
        return only(self, [at for at in kept if not self.paths[at].endswith("two/BUILD")], added)

    if forgotten == "BUILD files":
        monkeypatch.setattr(ObservedTable, "only", forgetful)
    else:
        monkeypatch.setattr(Rests, "of_targets", lambda *_: set())
    assert wrong_request(CHAIN, MIXED) is not None


def test_an_edit_of_one_target_reads_no_build_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, cache = tmp_path / "workspace", tmp_path / "cache"
    CHAIN.write(root)
    time.sleep(TICK_S)
    build(root, cache)
    monkeypatch.setattr(EvaluationCache, "get", None)
    ways, state = [], CHAIN
    for edit in (*EDITS, COMMENT):
        state = edit(state)
        state.write(root)
        time.sleep(TICK_S)
        ways.append(build(root, cache, ONE)[1])
        time.sleep(TICK_S)
    assert [way.looked_at for way in ways] == [[ONE], [ONE], []]
    assert [way.by_look for way in ways] == [False, False, True]


@pytest.mark.parametrize("change", ["BUILD", "folder", "artifact"])
def test_what_may_concern_one_target_makes_it_again(tmp_path: Path, change: str) -> None:
    root, cache = tmp_path / "workspace", tmp_path / "cache"
    CHAIN.write(root)
    time.sleep(TICK_S)
    build(root, cache)
    if change == "BUILD":
        (root / "one" / "BUILD").write_text((root / "one" / "BUILD").read_text() + "# edited\n")
    elif change == "folder":
        (root / "one" / "new.py").write_text("")
    else:
        (root / "hermpkg-out" / "two" / "out.pt").write_bytes(b"lost")
    time.sleep(TICK_S)
    assert build(root, cache, "//two:out")[1].looked_at == ["//two:out"]
    assert (root / "hermpkg-out" / "two" / "out.pt").stat().st_size > 1000
