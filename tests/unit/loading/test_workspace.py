"""Where a workspace begins, and its settings."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermpkg_build.errors import WorkspaceError
from hermpkg_build.loading.workspace import find_workspace


def test_the_nearest_marked_folder_upward_is_the_root(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.hermpkg]\n")
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert find_workspace(str(inner)).root == str(tmp_path)
    assert find_workspace(str(inner)).source_roots == ("",)


@pytest.mark.parametrize("marker", ["MODULE.bazel", "WORKSPACE", "WORKSPACE.bazel"])
def test_bazels_markers_count(tmp_path: Path, marker: str) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.hermpkg]\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / marker).touch()
    assert find_workspace(str(inner)).root == str(inner)


@pytest.mark.parametrize("marker", ["pyproject.toml", "MODULE.bazel", "WORKSPACE"])
@pytest.mark.parametrize("link", [False, True])
def test_what_another_user_has_put_above_is_refused(
    tmp_path: Path, marker: str, link: bool, give_away, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = tmp_path / "mine"
    inner.mkdir()
    if link:
        (tmp_path / "text").write_text("[tool.hermpkg]\n")
        (tmp_path / marker).symlink_to("text")
    else:
        (tmp_path / marker).write_text("[tool.hermpkg]\n")
    give_away(tmp_path / marker)
    for start in (inner, tmp_path):
        with pytest.raises(WorkspaceError, match="another user"):
            find_workspace(str(start))
    monkeypatch.setenv("HERMPKG_TRUST", str(tmp_path))
    assert find_workspace(str(inner)).root == str(tmp_path)


def test_who_goes_into_the_folder_of_another_user_means_to_build_it(tmp_path: Path, give_away) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.hermpkg]\n")
    inner = tmp_path / "theirs"
    inner.mkdir()
    give_away(tmp_path / "pyproject.toml")
    give_away(inner)
    assert find_workspace(str(inner)).root == str(tmp_path)


def test_settings(tmp_path: Path) -> None:
    (tmp_path / "src" / "lib").mkdir(parents=True)
    (tmp_path / "pyproject.toml").write_text(
        '[tool.hermpkg]\nsource-roots = ["src/", ".", "src/lib", "src"]\nother = { dir = "x" }\n'
    )
    workspace = find_workspace(str(tmp_path))
    assert workspace.source_roots == ("src", "", "src/lib")
    assert workspace.settings == {"other": {"dir": "x"}}


def test_no_workspace_says_where_it_looked(tmp_path: Path) -> None:
    with pytest.raises(WorkspaceError) as caught:
        find_workspace(str(tmp_path))
    assert str(tmp_path) in str(caught.value)
    assert "[tool.hermpkg]" in caught.value.next_step


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("[tool.hermpkg\n", "not a TOML file"),
        ("[tool]\nhermpkg = 3\n", "is a table"),
        ("[tool.hermpkg]\nsource-roots = 'src'\n", "is a list of folders"),
        ("[tool.hermpkg]\nsource-roots = [1]\n", "is a list of folders"),
        ("[tool.hermpkg]\nsource-roots = []\n", "is a list of folders"),
        ("[tool.hermpkg]\nsource-roots = ['/src']\n", "outside of the workspace"),
        ("[tool.hermpkg]\nsource-roots = ['a/../..']\n", "outside of the workspace"),
        ("[tool.hermpkg]\nsource-roots = ['none']\n", "is not a folder"),
        ("[tool.hermpkg]\nbuild-file-name = 1\n", "is the name of a file"),
        ("[tool.hermpkg]\nbuild-file-name = 'a/BUILD'\n", "is the name of a file"),
        ("[tool.hermpkg]\nbuild-file-name = 'x.bzl'\n", "is the name of a file"),
        ("[tool.hermpkg]\nbuild-file-names = 'x'\n", "has no setting"),
        ("[tool.hermpkg]\nsource_roots = ['.']\n", "has no setting 'source_roots'"),
    ],
)
def test_wrong_settings_name_the_file(tmp_path: Path, text: str, what: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(text)
    with pytest.raises(WorkspaceError) as caught:
        find_workspace(str(tmp_path))
    assert what in caught.value.summary
    assert caught.value.location is not None
    assert caught.value.location.path == str(path)


def test_a_pyproject_that_is_not_ours_is_not_even_parsed(tmp_path: Path) -> None:
    (tmp_path / "MODULE.bazel").touch()
    (tmp_path / "pyproject.toml").write_text("this is no TOML")
    assert find_workspace(str(tmp_path)).root == str(tmp_path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("x = " + "[" * 100_000, "nested too deeply"),
        ("x = " + "{a=" * 100_000, "nested too deeply"),
        (".".join(["a"] * 100_000) + " = 1", "nested too deeply"),
        (".".join(["'a'"] * 100_000) + " = 1", "nested too deeply"),
        ("[" + " . ".join(["a"] * 100_000) + "]", "nested too deeply"),
        ("\n".join(f"a{i}" + ".a" * 1500 + " = 1" for i in range(50)), "nested too deeply"),
        ("x = " + "9" * 100_000, "not a TOML file"),
        ("x = 'a\0'", "not a TOML file"),
    ],
    ids=["arrays", "tables", "key", "quoted key", "header", "keys", "number", "control character"],
)
def test_settings_are_bounded(tmp_path: Path, text: str, what: str) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.hermpkg]\n{text}\n")
    with pytest.raises(WorkspaceError, match=what):
        find_workspace(str(tmp_path))


def test_settings_of_people_are_far_from_the_bounds(tmp_path: Path) -> None:
    lines = [f'{{ version = "1.{i}.0", url = "https://example.com/a.b/{i}.tar.gz" }}' for i in range(20_000)]
    (tmp_path / "pyproject.toml").write_text(f"[tool.hermpkg]\n[tool.lock]\nx = [{', '.join(lines)}]\n")
    assert find_workspace(str(tmp_path)).root == str(tmp_path)
