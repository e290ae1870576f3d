"""glob(): Bazel's semantics."""

# The tables read best with one case a line.
# ruff: noqa: E501

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.loading.glob import GlobCall, GlobError, _exclusion, glob_files

if TYPE_CHECKING:
    from conftest import WorkspaceFiles

FILES = (
    "a.py",
    "b.py",
    ".hidden.py",
    "a.txt",
    "data/x.txt",
    "data/deep/y.txt",
    "data/deep/z.py",
    ".dot/w.py",
    "sub/BUILD",
    "sub/s.py",
    "sub/inner/t.py",
    "été/é à.py",
    "[x].py",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        path = tmp_path / "p" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path / "p"


def matches(
    folder: Path, include: list[str], exclude: list[str] | None = None, *, allow_empty: bool = False
) -> list[str]:
    tree = SourceTree()

    def is_boundary(path: str) -> bool:
        return tree.is_file(str(folder / path / "BUILD"))

    call = GlobCall(include=tuple(include), exclude=tuple(exclude or ()), allow_empty=allow_empty)
    return list(glob_files(str(folder), call, tree, is_boundary))


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        (["*.py"], ["[x].py", "a.py", "b.py"]),
        (["*"], [".hidden.py", "[x].py", "a.py", "a.txt", "b.py"]),
        ([".*"], [".hidden.py"]),
        (["a.*", "a*"], ["a.py", "a.txt"]),
        (["[x].py"], ["[x].py"]),
        (["b.py", "a.py"], ["a.py", "b.py"]),
        (["**/*.py"], ["[x].py", "a.py", "b.py", "data/deep/z.py", ".dot/w.py", "été/é à.py"]),
        (["**/*.txt"], ["a.txt", "data/deep/y.txt", "data/x.txt"]),
        (["data/**"], ["data/deep/y.txt", "data/deep/z.py", "data/x.txt"]),
        (["data/**/*.txt"], ["data/deep/y.txt", "data/x.txt"]),
        (["data/*/*.txt"], ["data/deep/y.txt"]),
        (["**/deep/**/z.py"], ["data/deep/z.py"]),
        (["**/**/z.py"], ["data/deep/z.py"]),
        (["*/x.txt"], ["data/x.txt"]),
        ([".dot/*.py"], [".dot/w.py"]),
        (["*/w.py"], [".dot/w.py"]),
        (["d*/w.py", "a.py"], None),
        (["été/*"], ["été/é à.py"]),
        (["data"], None),
        (["data/deep"], None),
        (["sub/s.py"], None),
        (["sub/**"], None),
        (["sub/inner/t.py"], None),
        (["nothing*"], None),
        (["a.py/**"], None),
    ],
)
def test_include(folder: Path, include: list[str], expected: list[str] | None) -> None:
    if expected is None:
        with pytest.raises(GlobError):
            matches(folder, include)
    else:
        assert matches(folder, include) == sorted(expected)


@pytest.mark.parametrize(
    ("exclude", "left"),
    [
        (["a.py"], [".hidden.py", "b.py"]),
        (["*.py"], [".hidden.py"]),
        (["**/*.py"], None),
        (["**"], None),
        (["*"], None),
        (["a*", "b*"], [".hidden.py"]),
        (["data/**"], [".hidden.py", "a.py", "b.py"]),
        (["b.py/**"], [".hidden.py", "a.py"]),
    ],
)
def test_exclude(folder: Path, exclude: list[str], left: list[str] | None) -> None:
    include = ["a.py", "b.py", ".hidden.py"]
    if left is None:
        with pytest.raises(GlobError) as caught:
            matches(folder, include, exclude)
        assert caught.value.reason == "matches only files that are excluded"
        assert matches(folder, include, exclude, allow_empty=True) == []
    else:
        assert matches(folder, include, exclude) == left


def test_every_include_pattern_must_match(folder: Path) -> None:
    with pytest.raises(GlobError) as caught:
        matches(folder, ["*.py", "*.pyx"])
    assert caught.value.pattern == "*.pyx"
    assert matches(folder, ["*.pyx"], allow_empty=True) == []


def test_folders_that_link_to_one_another(folder: Path) -> None:
    names = [f"d{number}" for number in range(9)]
    for name in names:
        (folder / "many" / name).mkdir(parents=True)
        for other in names:
            (folder / "many" / name / f"to-{other}").symlink_to(folder / "many" / other)
    with pytest.raises(GlobError, match="thousands of paths"):
        glob_files(str(folder), GlobCall(include=("many/**",)), SourceTree(), lambda _: False)
    for name in names[3:]:
        shutil.rmtree(folder / "many" / name)
    (folder / "many/d2/x.txt").write_text("")
    call = GlobCall(include=("many/**/*.txt",))
    assert "many/d0/to-d1/to-d2/x.txt" in glob_files(str(folder), call, SourceTree(), lambda _: False)


def test_links_to_folders_are_followed_and_loops_are_not(folder: Path) -> None:
    (folder / "link").symlink_to(folder / "data")
    (folder / "data" / "up").symlink_to(folder)
    (folder / "data" / "self").symlink_to(folder / "data")
    (folder / "broken").symlink_to(folder / "gone")
    found = matches(folder, ["**/*.txt"])
    assert found == ["a.txt", "data/deep/y.txt", "data/x.txt", "link/deep/y.txt", "link/x.txt"]


def test_a_folder_is_listed_once_for_all_patterns(tmp_path: Path) -> None:
    for outer in range(20):
        for inner in range(10):
            path = tmp_path / f"d{outer}" / f"e{inner}"
            path.mkdir(parents=True)
            (path / "m.py").touch()
    listed: list[str] = []

    class Counting(SourceTree):
        def entries(self, directory: str):  # type: ignore[no-untyped-def]
            listed.append(directory)
            return super().entries(directory)

    call = GlobCall(include=("**/*.py", "**/m*", "d1/**"), exclude=("**/q.py",), allow_empty=False)
    found = glob_files(str(tmp_path), call, Counting(), lambda _: False)
    assert len(found) == 200
    assert len(listed) == len(set(listed)) == 1 + 20 + 200


def test_in_a_build_file(files: WorkspaceFiles) -> None:
    for name in ("a.py", "sub/b.py", "pkg/c.py", "pkg/BUILD", "zed/BUILD.bazel", "zed/d.py"):
        files.write(f"p/{name}")
    files.build(
        "p", 'print(glob(["**/*.py"]), glob(["*"], ["*.py"]), glob(include = ["x"], allow_empty = True))\n'
    )
    files.file("p")
    assert [text for _, text in files.messages] == ['["a.py", "sub/b.py"] ["BUILD"] []']


def test_outputs_and_ignored_folders_are_not_part_of_the_root_package(files: WorkspaceFiles) -> None:
    for name in ("a.py", "hermpkg-out/b.py", "third/x/c.py", "third/d.py", "sub/hermpkg-out/e.py"):
        files.write(name)
    files.write(".bazelignore", "# comment\n\nthird/x/\n")
    os.symlink(files.root / "third", files.root / "bazel-out")
    files.build("", 'print(glob(["**/*.py"]))\n')
    files.file("")
    assert [text for _, text in files.messages] == ['["a.py", "sub/hermpkg-out/e.py", "third/d.py"]']


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ('glob(["nothing"])', "2:7: the pattern 'nothing' matches no file"),
        ('glob(["BUILD", "*.py"])', "2:16: the pattern '*.py' matches no file"),
        ('glob(["*"], exclude = ["*"])', "2:6: glob() matches only files that are excluded"),
        ("glob([])", "2:6: glob() includes nothing"),
        ('glob(["/a"])', "2:7: glob() attribute include[0]: '/a' is an absolute path"),
        ('glob(["../a"])', "2:7: glob() attribute include[0]: '../a' has the segment '..'"),
        ('glob(["a//b"])', "2:7: glob() attribute include[0]: 'a//b' has the segment ''"),
        ('glob(["a?"])', "2:7: glob() attribute include[0]: 'a?' has a ?, which Bazel's globs do not know"),
        ('glob(["a**"])', "2:7: glob() attribute include[0]: 'a**' has ** as a part of a segment: it can only be a whole one"),
        ('glob(["*"], exclude = ["a**"])', "2:24: glob() attribute exclude[0]: 'a**' has ** as a part of a segment: it can only be a whole one"),
        ('glob("*")', "2:6: glob() attribute include: expected a list of strings, got string"),
        ("glob()", "2:1: glob() needs the attribute 'include'"),
        ('glob(["*"], [], True)', "2:1: glob() takes at most 2 without a name, got 3 without a name"),
    ],
)  # fmt: skip
def test_wrong_globs(files: WorkspaceFiles, call: str, expected: str) -> None:
    files.build("p", call + "\n")
    assert files.build_errors("p") == [f"p/BUILD:{expected}"]


def test_a_file_name_that_is_not_utf8(files: WorkspaceFiles) -> None:
    files.build("p", 'glob(["*.txt"])\n')
    try:
        Path(os.fsdecode(os.fsencode(files.root / "p") + b"/\xff.txt")).touch()
    except OSError:
        pytest.skip("the file system takes UTF-8 names only")
    assert files.build_errors("p") == [
        "p/BUILD:2:6: glob() matches a file whose name is not UTF-8: \\udcff.txt",
    ]


def by_regex(pattern: str) -> re.Pattern[str]:
    """What a pattern of `exclude` says, in a form whose matching takes time beyond all bounds."""
    regex = ""
    for segment in pattern.split("/"):
        hidden = r"(?!\.)" if segment.startswith("*") and segment != "*" else ""
        one = hidden + "[^/]*".join(map(re.escape, segment.split("*")))
        regex += "(?:/[^/]+)*" if segment == "**" else f"/{one}"
    return re.compile(regex, re.DOTALL)


NAMES = st.text("ab.", min_size=1, max_size=4)
SEGMENTS = st.one_of(
    st.just("**"), st.just("*"), st.text("ab.*", min_size=1, max_size=5).filter(lambda t: "**" not in t)
)


@given(st.lists(SEGMENTS, min_size=1, max_size=6), st.lists(NAMES, min_size=1, max_size=5))
@settings(max_examples=500, deadline=None)
def test_patterns_mean_what_they_mean_as_regular_expressions(segments: list[str], names: list[str]) -> None:
    pattern, path = "/".join(segments), "/".join(names)
    head, wildcard, tail = pattern.partition("**/*")
    if not wildcard or "*" in head or "*" in tail:
        assert _exclusion(pattern)(path) == (by_regex(pattern).fullmatch(f"/{path}") is not None)


@pytest.mark.parametrize(
    "call",
    [
        GlobCall(include=("**",), exclude=("**/" * 40 + "z",), allow_empty=True),
        GlobCall(include=("**/" * 200 + "z",), allow_empty=True),
        GlobCall(include=("*a" * 40 + "*b",), allow_empty=True),
        GlobCall(include=("**",), exclude=("*a" * 40 + "*b",), allow_empty=True),
    ],
)
def test_no_pattern_is_tried_in_ever_more_ways(tmp_path: Path, call: GlobCall) -> None:
    """A control: as regular expressions, these take longer than anyone waits."""
    (tmp_path / ("x/" * 30)).mkdir(parents=True)
    (tmp_path / ("x/" * 30) / ("a" * 200)).write_text("")
    (tmp_path / ("a" * 200)).write_text("")
    found = glob_files(str(tmp_path), call, SourceTree(), lambda _: False)
    assert len(found) == (2 if call.exclude else 0)
