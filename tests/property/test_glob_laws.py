"""glob() against a definition of it that walks nothing: a pattern, a path, yes or no."""

from __future__ import annotations

import fnmatch
import re
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.loading.glob import GlobCall, glob_files

_NAME = st.sampled_from(["a", "b", "ab", ".a", "a.py", "b.py", ".c.py"])
_PATHS = st.lists(st.lists(_NAME, min_size=1, max_size=4).map("/".join), max_size=12)
_SEGMENT = st.sampled_from(["a", "*", "**", "*.py", "a*", "*b", ".*", "b.py", "*a*"])
_PATTERN = st.lists(_SEGMENT, min_size=1, max_size=4).map("/".join)


def matches_segment(segment: str, name: str) -> bool:
    if segment == "*":
        return True
    if segment.startswith("*") and name.startswith("."):
        return False
    return fnmatch.fnmatchcase(name, segment)


def matches_path(pattern: list[str], path: list[str]) -> bool:
    """Whether `pattern` matches `path`, segment by segment, ** taking none, or one and itself again."""
    if not pattern:
        return not path
    if pattern[0] == "**":
        return matches_path(pattern[1:], path) or (bool(path) and matches_path(pattern, path[1:]))
    return bool(path) and matches_segment(pattern[0], path[0]) and matches_path(pattern[1:], path[1:])


def is_excluded(pattern: str, path: str) -> bool:
    simple = re.fullmatch(r"([^*]*)\*\*/\*([^*]*)", pattern)
    if simple:
        long_enough = len(path) >= len(simple[1]) + len(simple[2])
        return path.startswith(simple[1]) and path.endswith(simple[2]) and long_enough
    return matches_path(pattern.split("/"), path.split("/"))


def is_included(pattern: str, path: str) -> bool:
    """As for exclusion, but that a final ** stands for files in folders: ``a/**`` is not the file a."""
    segments = pattern.split("/")
    if segments[-1] == "**":
        segments.append("*")
    return matches_path(segments, path.split("/"))


@settings(max_examples=200, deadline=None)
@given(_PATHS, st.lists(_PATTERN, min_size=1, max_size=3), st.lists(_PATTERN, max_size=2))
def test_glob_gives_the_files_that_match(paths: list[str], include: list[str], exclude: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path in paths:
            place = root / path
            if place.exists() or any(parent.is_file() for parent in place.parents):
                continue
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()
        files = [place.relative_to(root).as_posix() for place in root.rglob("*") if place.is_file()]
        call = GlobCall(include=tuple(include), exclude=tuple(exclude), allow_empty=True)
        found = glob_files(folder, call, SourceTree(), lambda _: False)
    expected = [
        file
        for file in files
        if any(is_included(pattern, file) for pattern in include)
        and not any(is_excluded(pattern, file) for pattern in exclude)
    ]
    assert list(found) == sorted(expected)
