"""Libraries of the system's own folders stand for the platform, and all others are inputs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.factories import loaded_libraries
from hermpkg_build.factories.loaded_libraries import with_libraries
from hermpkg_build.factories.places import Places
from hermpkg_build.factories.request import ObservedFiles

OURS = [
    "/libs/liba.so",
    "/library/libb.so",
    "/usr/libraries/libc.so",
    "/usr/local/lib/libd.so",
    "/opt/lib/libe.so",
]
SYSTEMS = [
    "/lib/x86_64-linux-gnu/libf.so",
    "/lib64/libg.so",
    "/usr/lib/libh.so",
    "/usr/lib32/i.so",
    "/usr/libexec/libj.so",
]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(workspace_root=str(tmp_path / "workspace"), search_path=[str(tmp_path / "site-packages")])


def test_a_folder_whose_name_begins_like_the_systems_is_not_the_systems(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded_libraries, "loaded_libraries", lambda: [*OURS, *SYSTEMS])
    # Those that are mapped in this process are what tests before this one left.
    monkeypatch.setattr(loaded_libraries, "mapped_files", set)
    folders = ["/libs", "/usr/lib", "/lib64", "/usr/libraries/", "relative"]
    monkeypatch.setenv("LD_LIBRARY_PATH", os.pathsep.join(folders))
    seen = with_libraries(ObservedFiles(), places, str(tmp_path / "scratch"))
    assert seen.read == tuple(sorted(OURS))
    assert seen.listed == ("/libs", "/usr/libraries/")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_what_the_loader_has_opened_is_told(tmp_path: Path) -> None:
    loaded = loaded_libraries.loaded_libraries()
    assert any(os.path.basename(path).startswith("libc.so") for path in loaded)
    assert all(os.path.isfile(path) for path in loaded)


@pytest.fixture
def mapped(places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, ...]]:
    """A function that tells what is read where `paths` are mapped, and others are known."""
    monkeypatch.setattr(loaded_libraries, "loaded_libraries", list)

    def read(*paths: Path, written: tuple[str, ...] = (), **known: tuple[str, ...]) -> tuple[str, ...]:
        monkeypatch.setattr(loaded_libraries, "mapped_files", lambda: {str(path) for path in paths})
        seen = ObservedFiles(**known)
        return with_libraries(seen, places, str(tmp_path / "scratch"), written).read

    return read


def test_a_mapped_file_is_told_by_the_link_that_it_was_read_by(
    mapped: Callable[..., tuple[str, ...]], tmp_path: Path
) -> None:
    file, link, other = tmp_path / "file", tmp_path / "link", tmp_path / "other"
    link.symlink_to(file)
    assert mapped(file, other, read=(str(link),)) == (str(link), str(other))
    assert mapped(file, code=(str(link),)) == ()
    assert mapped(file, other, written=(str(link),)) == (str(other),)
    assert mapped(Path(os.path.realpath(sys.executable)), file) == (str(file),)


def test_links_are_followed_only_where_a_mapped_file_is_known_by_no_name(
    mapped: Callable[..., tuple[str, ...]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [tmp_path / str(number) for number in range(100)]
    read = tuple(sorted(map(str, files)))
    followed: list[str] = []
    follow = os.path.realpath
    monkeypatch.setattr(os.path, "realpath", lambda path: followed.append(str(path)) or follow(path))
    assert mapped(*files, read=read) == read
    assert not {*followed} & {*read}
