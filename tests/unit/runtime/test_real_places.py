"""Where records lie on disk: names and paths are inverses, and nothing lies outside."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.errors import ArchiveError
from hermpkg_build.runtime.contents.real_files import RealFiles

NAMES = st.lists(st.sampled_from(["a", "b", "src", "x.py", "é"]), min_size=1, max_size=4).map("/".join)


class FakeArchive:
    """Records with their own names as contents."""

    name = "fake.pt"

    def __init__(self, names):
        self._names = names

    def names(self):
        return list(self._names)

    def view(self, name):
        return memoryview(name.encode())


@given(names=st.sets(NAMES, min_size=1, max_size=6), root=st.sampled_from(["", "src", "a/b"]), data=st.data())
def test_names_and_paths_are_inverses(names, root, data):
    beside = data.draw(st.sets(st.sampled_from(sorted(names))))
    files = RealFiles(FakeArchive(names), None, root=root, beside=beside if root else ())
    try:
        paths = {name: files.path(name) for name in names}
    except ArchiveError:
        return  # A record has the name of a folder, or two have one place.
    for name, path in paths.items():
        with open(path, encoding="utf-8") as file:
            assert file.read() == name
        assert files.name_at(path) == name
    assert len({*paths.values()}) == len(names)
    assert files.name_at(files.path("")) == ""


def test_what_lies_beside_the_root_may_lie_in_it():
    files = RealFiles(FakeArchive(["src/a", "b"]), None, root="src", beside=["src/a"])
    assert [files.name_at(files.path(name)) for name in ("src/a", "b")] == ["src/a", "b"]


def test_a_record_with_the_name_of_the_root_is_refused():
    with pytest.raises(ArchiveError, match="the name of a folder"):
        RealFiles(FakeArchive(["src"]), None, root="src", beside=["src"]).path("src")


@pytest.mark.parametrize("root", ["..", "a/../..", "/etc", "a//b", "."])
def test_a_root_outside_is_refused(root):
    from hermpkg_build.core.manifest import Manifest, ManifestTool
    from hermpkg_build.runtime.contents.real_files import real_files

    tool = ManifestTool(name="hermpkg", version="1")
    manifest = Manifest(tool=tool, python_version="3.11", records={}, root=root)
    for mode in ("auto", "real"):
        with pytest.raises(ArchiveError, match="leads out"):
            real_files(FakeArchive([]), manifest, mode)
