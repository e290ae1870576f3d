"""The law of the module finder: on any tree of files it finds what Python's own path finder finds."""

from __future__ import annotations

import tempfile
from importlib.machinery import EXTENSION_SUFFIXES, PathFinder
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.core.module_roles import ModuleKind
from hermpkg_build.disk.source_tree import SourceTree

SUFFIXES = [".py", ".pyc", EXTENSION_SUFFIXES[0], EXTENSION_SUFFIXES[-1], ".txt"]
parts = st.sampled_from(["alpha", "beta", "Alpha"])
stems = parts | st.just("__init__")
files = st.builds(
    lambda entry, folders, stem, suffix: "/".join([entry, *folders, stem + suffix]),
    st.sampled_from(["one", "two"]),
    st.lists(parts, max_size=3),
    stems,
    st.sampled_from(SUFFIXES),
)


@settings(max_examples=150, deadline=None)
@given(st.sets(files, max_size=8))
def test_finds_what_the_path_finder_finds(paths):
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for path in paths:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(b"")
        entries = [str(root / "one"), str(root / "two")]
        finder = ModuleFinder(
            tree=SourceTree(), workspace_modules=[], workspace_root=str(root / "work"), search_path=entries
        )
        compare(finder, "", entries, depth=4)


def compare(finder: ModuleFinder, parent: str, path: list[str], depth: int) -> None:
    for part in ("alpha", "beta", "Alpha", "__init__"):
        name = f"{parent}.{part}" if parent else part
        # By its last part: PathFinder would look for the parent of a namespace package in sys.modules.
        spec = PathFinder.find_spec(part, path)
        found = finder.find(name)
        assert (found is None) is (spec is None), name
        if spec is None or found is None:
            continue
        inside = spec.submodule_search_locations
        if spec.has_location:
            assert found.path == spec.origin
        else:
            assert found.kind is ModuleKind.NAMESPACE
            assert found.path == next(iter(inside))
        if part != "__init__":
            assert (name in finder.submodules(parent)) is True
        if inside is not None and depth:
            compare(finder, name, list(inside), depth - 1)
