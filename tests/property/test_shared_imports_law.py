"""The law of sharing: an artifact is the same whatever else is built in the same build.

Workspaces of several packages over shared modules are made at random, with what makes sharing hard: targets
that see different modules by one name, namespace packages of several targets and source roots,
star imports, modules that code makes while it runs, and policies that differ. All targets are built in one
build, and each by itself, with caches of their own. An answer that is shared though it does not hold must
break the law, or the test would prove nothing.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings

from hermpkg_build.analysis import shared_imports
from hermpkg_build.analysis.import_following import Follower
from hermpkg_build.engine import module_sharing
from hermpkg_build.engine.build import build_targets
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.opening import open_build
from hermpkg_build.engine.results import BuildRequest
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.workspace import find_workspace
from tests.property.shared_workspaces import FOLDERS, Workspace, workspaces


def built(root: Path, patterns: tuple[str, ...], cache: str) -> dict[str, bytes]:
    """Build what can be built of `patterns`; the bytes of each artifact by its folder."""
    outputs = root / "hermpkg-out"
    for path in outputs.glob("**/*.pt"):
        path.unlink()
    request = BuildRequest(patterns=patterns, directory=str(root), keep_going=True)
    with (
        suppress(HermpkgError),
        open_build(find_workspace(str(root)), request, str(root / cache), BuildObserver()) as build,
    ):
        build_targets(build)
    return {str(path.relative_to(outputs).parent): path.read_bytes() for path in outputs.glob("**/*.pt")}


def differing(workspace: Workspace) -> list[str]:
    """The folders whose artifact is another one if it is built by itself."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        workspace.write(root)
        together = built(root, ("//...",), "together")
        alone: dict[str, bytes] = {}
        for each in FOLDERS:
            alone.update(built(root, (f"//{each}:out",), f"alone {each.replace('/', ' ')}"))
        return [each for each in FOLDERS if together.get(each) != alone.get(each)]


@settings(max_examples=8, phases=[Phase.generate])
@given(workspaces)
def test_an_artifact_is_the_same_whatever_else_is_built(workspace: Workspace) -> None:
    assert differing(workspace) == []


@settings(max_examples=4, phases=[Phase.generate])
@given(workspaces)
def test_so_it_is_where_what_is_known_of_modules_is_let_go_after_each(workspace: Workspace) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(module_sharing, "_MOST_FOLLOWED", 0)
        patched.setattr(module_sharing, "_ARTIFACTS", 0)
        assert differing(workspace) == []


HIDDEN = Workspace(
    imports={"three.a": [(1, "space.four.a")], "two.a": [(0, "three.a"), (0, "space.four.b")]},
    deps={"two": frozenset({"three", "space/four"})},
    packages=frozenset({"one", "two", "three", "space/four"}),
)
"""The artifact of three does not see space/four, which a module of it imports where that may fail."""


def test_what_a_target_does_not_see_is_not_shared_with_it() -> None:
    assert differing(HIDDEN) == []


def test_sharing_what_does_not_hold_breaks_the_law(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_imports._View, "shares", lambda *_: True)
    assert "three" in differing(HIDDEN)


def follow_chain(root: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Build artifacts that hold all before them, and list the modules whose imports were followed."""
    followed: list[str] = []
    follow = Follower.follow

    def counted(self: Follower, source: object, found: object) -> object:
        followed.append(source.name)  # type: ignore[attr-defined]
        return follow(self, source, found)  # type: ignore[arg-type]

    monkeypatch.setattr(Follower, "follow", counted)
    chain = Workspace(
        imports={
            f"{folder.replace('/', '.')}.a": [(0, before.replace("/", ".") + ".a")]
            for before, folder in pairwise(sorted(FOLDERS))
        },
        deps={folder: frozenset(FOLDERS) for folder in FOLDERS},
        packages=frozenset(FOLDERS),
    )
    chain.write(root)
    assert len(built(root, ("//...",), "cache")) == len(FOLDERS)
    return followed


def test_each_module_is_followed_once_for_all_artifacts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    followed = follow_chain(tmp_path, monkeypatch)
    assert len(followed) == len(set(followed)), "each once, though four artifacts hold the first"


def test_what_is_let_go_is_followed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module_sharing, "_MOST_FOLLOWED", 0)
    monkeypatch.setattr(module_sharing, "_ARTIFACTS", 0)
    followed = follow_chain(tmp_path, monkeypatch)
    assert len(followed) > len(set(followed)), "the memory that this saves is bought by work"
