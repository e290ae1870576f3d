"""The texts of a workspace's files: what globs leave out, settings that keep all else, all files or none."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.toml_text import parse_toml
from hermpkg_build.errors import CommandLineError, LocalEnvironmentError, WorkspaceError
from hermpkg_build.generate.project.files import (
    PlannedFiles,
    _shortly,
    check_settings,
    code_folders,
    modules_call,
    with_settings,
)
from hermpkg_build.loading.declared_modules import module_name
from hermpkg_build.loading.workspace import Workspace

NAMES = st.sampled_from(["a", "b_test", "test_c", "tests", "no-name", "conftest", "setup", "__init__"])
PATHS = st.lists(NAMES, min_size=1, max_size=3).map(lambda parts: "/".join(parts) + ".py")


@given(paths=st.sets(PATHS, min_size=1, max_size=8), data=st.data())
def test_globs_match_all_that_is_used_and_nothing_that_cannot_be(tmp_path_factory, paths, data):
    """Held against the loader's own glob, on a disk."""
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.generate.project.files import build_file
    from hermpkg_build.generate.project.sources import ProjectSources
    from hermpkg_build.loading.loader import Loader

    # A file and a folder cannot have one name.
    paths = {path for path in paths if not any(other.startswith(f"{path}/") for other in paths)}
    usable = sorted(path for path in paths if module_name(path, ("",)) is not None)
    if not usable:
        return
    used = data.draw(st.sets(st.sampled_from(usable), min_size=1))
    root = tmp_path_factory.mktemp("project")
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    folders = code_folders([*used], [], ProjectSources(str(root)), ("",))
    for folder in folders:
        (root / folder.path / "BUILD").write_text(build_file([modules_call(folder)]))
    loader = Loader(Workspace(root=str(root)), SourceTree())
    declared = set()
    for folder in folders:
        (target,) = loader.build_file(folder.path).targets.values()
        declared |= {module.path for module in loader.module_targets(target.label)}
    assert used <= declared


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "# only a comment",
        "[project]\nname = 'a'  # the name",
        "[project]\r\nname = 'a'\r\n",
        "\ufeff[project]\nname = 'a'\n",
        "[tool.ruff]\nline-length = 1\n\n[[tool.x]]\na = 1\n",
        "tool.ruff.line-length = 3\n",
    ],
)
def test_settings_go_to_the_end_and_all_else_stays(text):
    workspace = Workspace(root="/", source_roots=("src", ""), build_names=("BUILD.ours",))
    after = with_settings(text, workspace)
    assert after.startswith(text or "")
    check_settings(text, after, "pyproject.toml")
    document = parse_toml(after.lstrip("\ufeff"))
    settings = {"source-roots": ["src", ""], "build-file-name": "BUILD.ours"}
    assert document["tool"]["hermpkg"] == settings
    if text and "\r\n" in text:
        assert after.count("\n") == after.count("\r\n")


@pytest.mark.parametrize("text", ["tool = {ruff = {}}\n", "tool = 3\n"])
def test_a_file_that_cannot_have_them_is_refused(text):
    with pytest.raises(CommandLineError, match="cannot be given the table"):
        check_settings(text, with_settings(text, Workspace(root="/")), "pyproject.toml")


def test_all_files_or_none_are_written(tmp_path):
    (tmp_path / "kept").write_text("as it was")
    (tmp_path / "taken").mkdir()
    planned = PlannedFiles(root=str(tmp_path), texts={"new/BUILD": "a", "kept": "as it was", "taken": "b"})
    assert planned.changed() == ["new/BUILD", "taken"]
    assert planned.in_the_way(but=[]) == ["taken"]
    with pytest.raises(LocalEnvironmentError):
        planned.write()
    assert not (tmp_path / "new/BUILD").exists()
    assert (tmp_path / "kept").read_text() == "as it was"


def test_an_interrupted_call_leaves_nothing_and_a_killed_one_what_the_next_takes_for_its_own(
    tmp_path, monkeypatch
):
    from hermpkg_build.generate.project import files

    write = files.replace_file
    planned = PlannedFiles(root=str(tmp_path), texts={"a/BUILD": "a", "BUILD": "b", "pyproject.toml": "c"})

    def interrupted(path, data, *, mode=None):
        if path.endswith("pyproject.toml"):
            raise KeyboardInterrupt
        write(path, data, mode=mode)

    monkeypatch.setattr(files, "replace_file", interrupted)
    with pytest.raises(KeyboardInterrupt):
        planned.write()
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    monkeypatch.undo()
    (tmp_path / "BUILD").write_text("b")
    assert planned.in_the_way(but=[]) == []
    planned.write()
    assert (tmp_path / "pyproject.toml").read_text() == "c"


def test_links_and_modes_stay(tmp_path):
    (tmp_path / "real.toml").write_text("a")
    (tmp_path / "real.toml").chmod(0o600)
    (tmp_path / "pyproject.toml").symlink_to("real.toml")
    PlannedFiles(root=str(tmp_path), texts={"pyproject.toml": "b"}).write()
    assert (tmp_path / "pyproject.toml").is_symlink()
    assert (tmp_path / "real.toml").read_text() == "b"
    assert os.stat(tmp_path / "real.toml").st_mode & 0o777 == 0o600


def test_a_file_that_no_build_file_can_name_is_told(tmp_path):
    from hermpkg_build.generate.project.sources import ProjectSources

    (tmp_path / "pkg").mkdir()
    (tmp_path / "pkg" / "net.py").touch()
    with open(os.fsencode(tmp_path) + b"/pkg/\xff.py", "wb"):
        pass
    with pytest.raises(WorkspaceError, match="not UTF-8") as caught:
        code_folders(["pkg/net.py"], [], ProjectSources(str(tmp_path)), ("",))
    assert caught.value.next_step == "rename the file"


@given(st.sets(PATHS, max_size=12), st.data())
def test_patterns_for_unwanted_files_match_them_and_no_others(names, data):
    unwanted = data.draw(st.sets(st.sampled_from(sorted(names)))) if names else set()
    patterns = _shortly(unwanted, names)
    matched = {
        name
        for name in names
        for pattern in patterns
        if name == pattern or (pattern.endswith("/**") and name.startswith(pattern[:-2]))
    }
    assert matched == unwanted


def test_a_hundred_thousand_files_are_looked_at_once_each():
    names = {f"a/{number % 7}/x{number}.py" for number in range(100_000)}
    assert _shortly(names - {"a/1/x1.py"}, names) >= {"a/0/**", "a/2/**", "a/1/x8.py"}
