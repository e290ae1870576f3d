"""Unpacked archives read as archives are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from hermpkg_build.archive.unpacked import UnpackedReader
from hermpkg_build.errors import ArchiveError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, data in {
        ".data/version": b"6\n",
        ".data/0.storage": b"1234",
        "a/b/c.txt": b"c",
        "empty": b"",
    }.items():
        file = tmp_path / "package" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    return tmp_path / "package"


@pytest.mark.parametrize("slash", ["", "/"])
def test_files_are_records(folder: Path, slash: str) -> None:
    with UnpackedReader(f"{folder}{slash}") as reader:
        assert reader.names() == [".data/0.storage", ".data/version", "a/b/c.txt", "empty"]
        assert reader.read("a/b/c.txt") == reader.view("a/b/c.txt") == b"c"
        assert reader.has("empty")
        assert not reader.has("a/b")
        assert not reader.has("../package/empty")
        reader.sha256("empty")


@pytest.mark.parametrize("access", ["read", "sha256", "view"])
def test_a_pipe_is_no_record(folder: Path, access: str) -> None:
    (folder / "empty").unlink()
    os.mkfifo(folder / "empty")
    reader = UnpackedReader(folder)
    with pytest.raises(ArchiveError, match="cannot be read"):
        getattr(reader, access)("empty")
    with pytest.raises(ArchiveError, match="cannot be read"):
        reader.private_views()("empty")


def test_a_device_is_no_record(folder: Path) -> None:
    (folder / "empty").unlink()
    (folder / "empty").symlink_to("/dev/zero")
    with pytest.raises(ArchiveError, match="cannot be read"):
        UnpackedReader(folder).read("empty")


def test_records_that_are_read_on_opening_have_a_bound(folder: Path) -> None:
    with open(folder / ".data/version", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(ArchiveError, match="cannot be read"):
        UnpackedReader(folder).read(".data/version")


def test_private_views_do_not_touch_the_files(folder: Path) -> None:
    views = UnpackedReader(folder).private_views()
    view = views(".data/0.storage")
    view[0] = 0
    assert view == b"\x00234"
    assert (folder / ".data" / "0.storage").read_bytes() == b"1234"
    assert views("empty") == b""


@pytest.mark.parametrize("name", ["none", "a/b", "../secret", "/etc/passwd"])
def test_what_is_no_record(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("psst")
    reader = UnpackedReader(folder)
    for read in (reader.read, reader.view, reader.private_views()):
        with pytest.raises(ArchiveError) as caught:
            read(name)
        assert ("folder", str(folder)) in caught.value.facts


def test_what_is_no_package(folder: Path) -> None:
    with pytest.raises(ArchiveError, match="no such folder"):
        UnpackedReader(folder / "none")
    with pytest.raises(ArchiveError, match=r"no folder \.data") as caught:
        UnpackedReader(folder.parent)
    assert caught.value.next_step == f"open the folder inside it: {folder}"
