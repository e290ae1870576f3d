"""A file that was replaced is written anew only where nobody can have it open, and is what it was."""

from __future__ import annotations

import mmap
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.disk import spare_files
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.disk.spare_files import Replaced, Spare, taken

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="others have no leases")

OLD, NEW = b"the same, old", b"the same, new!"


@pytest.fixture(autouse=True)
def _local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spare_files, "_is_local", lambda device: True)


class Files:
    """A file that was replaced and kept."""

    def __init__(self, folder: Path) -> None:
        self.path, self.kept = folder / "a.pt", folder / "spares" / "a"
        self.path.write_bytes(OLD)
        self.spare = Spare(self.replaced(NEW), 9)

    def replaced(self, data: bytes) -> spare_files.FileSignature:
        with open(self.path, "rb") as old, NewFile(str(self.path.parent)) as new:
            os.write(new.descriptor, data)
            signature = self.replace_and_keep(new, old.fileno())
        assert self.path.read_bytes() == data
        assert signature == signature_of(self.kept.stat())
        return signature_of(self.kept.stat())

    def replace_and_keep(self, new: NewFile, old: int, path: Path | None = None) -> object:
        with Replaced(str(self.path), old, str(self.kept)) as replaced:
            new.replace(str(path or self.path))
            return replaced.keep()

    def take(self) -> NewFile | None:
        return taken(str(self.kept), self.spare, mode=0o644)

    def left(self) -> list[str]:
        return sorted(os.listdir(self.kept.parent))


@pytest.fixture
def files(tmp_path: Path) -> Files:
    made = Files(tmp_path)
    new = made.take()
    if new is None:
        pytest.skip("this file system has no leases")
    new.close()
    assert made.left() == [], "what was taken and not used goes"
    made.path.write_bytes(OLD)
    made.spare = Spare(made.replaced(NEW), 9)
    return made


def test_what_is_taken_takes_a_place(files: Files) -> None:
    assert files.kept.read_bytes() == OLD
    new = files.take()
    assert new is not None
    with new:
        assert files.left() != ["a"]
        assert files.take() is None, "it is taken once"
        assert os.pread(new.descriptor, 100, 0) == OLD
        new.replace(str(files.path))
    assert files.path.read_bytes() == OLD
    assert files.left() == []


def opened(files: Files) -> object:
    return files.kept.open("rb")


def mapped(files: Files) -> object:
    with files.kept.open("rb") as file:
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)


def opened_elsewhere(files: Files) -> object:
    wait = "import sys; f = open(sys.argv[1]); print(flush=True); sys.stdin.read()"
    words = [sys.executable, "-c", wait, str(files.kept)]
    process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    return process


def linked(files: Files) -> object:
    return os.link(files.kept, files.path.parent / "theirs.pt")


def written(files: Files) -> object:
    return files.kept.write_bytes(NEW)


def made_readable(files: Files) -> object:
    return files.kept.chmod(0o600)


def exchanged(files: Files) -> object:
    other = files.path.parent / "other"
    other.write_bytes(OLD)
    return os.replace(other, files.kept)


def made_a_link(files: Files) -> object:
    files.kept.unlink()
    return files.kept.symlink_to(files.path)


def removed(files: Files) -> object:
    return files.kept.unlink()


@pytest.mark.parametrize(
    "use",
    [
        opened,
        mapped,
        opened_elsewhere,
        linked,
        written,
        made_readable,
        exchanged,
        made_a_link,
        removed,
    ],
)
def test_what_may_be_in_use_is_not_taken(files: Files, use: Callable[[Files], object]) -> None:
    held = use(files)
    assert files.take() is None
    assert files.path.read_bytes() == NEW
    if isinstance(held, subprocess.Popen):
        held.communicate()
        new = files.take()
        assert new is not None, "nobody has it any more"
        new.close()


def test_another_file_that_came_to_its_place_is_not_written(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two commands at once: one keeps a file where the other takes one."""

    def overtaken(source: str, target: str) -> None:
        monkeypatch.setattr(os, "rename", rename)
        exchanged(files)
        rename(source, target)

    rename = os.rename
    monkeypatch.setattr(os, "rename", overtaken)
    assert files.take() is None
    assert files.left() == []


def test_a_file_with_another_name_is_no_spare(files: Files) -> None:
    os.link(files.path, files.path.parent / "theirs.pt")
    with files.path.open("rb") as old, NewFile(str(files.path.parent)) as new:
        assert files.replace_and_keep(new, old.fileno()) is None
    assert (files.path.parent / "theirs.pt").read_bytes() == NEW


def test_where_nothing_can_be_replaced_all_stays(files: Files) -> None:
    (files.path.parent / "folder").mkdir()
    with (
        files.path.open("rb") as old,
        NewFile(str(files.path.parent)) as new,
        pytest.raises(IsADirectoryError),
    ):
        files.replace_and_keep(new, old.fileno(), files.path.parent / "folder")
    assert (files.path.read_bytes(), files.left()) == (NEW, ["a"])


@pytest.mark.parametrize("name", ["_is_local", "_has_room"])
def test_nothing_is_kept_where_that_is_not_safe(
    files: Files, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    files.kept.unlink()
    monkeypatch.setattr(spare_files, name, lambda *_: False)
    with files.path.open("rb") as old, NewFile(str(files.path.parent)) as new:
        os.write(new.descriptor, OLD)
        assert files.replace_and_keep(new, old.fileno()) is None
    assert (files.path.read_bytes(), files.left()) == (OLD, [])


def test_room_is_left_for_others(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    has_room = spare_files._has_room
    with files.path.open("rb") as old:
        assert has_room(old.fileno(), str(files.path))
        monkeypatch.setattr(spare_files, "_FREE", 1 << 60)
        assert not has_room(old.fileno(), str(files.path))


def test_file_systems_in_memory_and_unknown_ones_keep_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert not spare_files._is_local(os.stat("/proc").st_dev)
    assert not spare_files._is_local(0)


@pytest.mark.parametrize(("other", "kept"), [("tmpfs", True), ("nfsd", False)])
def test_files_that_other_machines_may_read_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, other: str, kept: bool
) -> None:
    monkeypatch.undo()
    (tmp_path / "mounts").write_text(
        "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        f"25 24 0:22 / /proc/fs/other rw,nosuid shared:12 - {other} other rw\n"
    )
    monkeypatch.setattr(spare_files, "_MOUNTS", str(tmp_path / "mounts"))
    assert spare_files._is_local(os.makedev(8, 1)) is kept
    assert not spare_files._is_local(os.makedev(0, 22))
