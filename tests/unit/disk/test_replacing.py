"""A file is replaced as a whole or not at all, and nothing else is left, whatever happens on the way."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.disk.replacing import ASIDE, NewFile, new_folder, remove_abandoned, replace_file

OLD, NEW = b"old", b"n" * 100_000


@pytest.fixture(params=["without a name", "with a name"])
def path(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file in a folder of its own; where it is replaced with and without the help of O_TMPFILE."""
    if request.param == "with a name":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    folder = tmp_path / "größe und mehr"
    folder.mkdir()
    file = folder / "file"
    file.write_bytes(OLD)
    return file


def in_a_child(body: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    script = "import os, resource, signal, sys\nfrom hermpkg_build.disk.replacing import *\n"
    command = [sys.executable, "-c", script + textwrap.dedent(body), *map(str, arguments)]
    return subprocess.run(command, check=False, capture_output=True, text=True)


def test_the_new_bytes_are_in_place_and_nothing_else(path: Path) -> None:
    replace_file(str(path), NEW)
    assert path.read_bytes() == NEW
    assert os.listdir(path.parent) == ["file"]


def test_a_file_that_is_not_there_yet_is_made_with_its_folder(path: Path) -> None:
    replace_file(str(path.parent / "a" / "b" / "file"), memoryview(NEW))
    assert (path.parent / "a" / "b" / "file").read_bytes() == NEW


def test_a_relative_path(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(path.parent)
    replace_file("file", NEW)
    assert path.read_bytes() == NEW


def test_a_reader_keeps_the_old_bytes(path: Path) -> None:
    with path.open("rb") as reader:
        replace_file(str(path), NEW)
        assert reader.read() == OLD


@pytest.mark.parametrize(
    ("mode", "umask", "given"), [(None, 0o027, 0o640), (0o644, 0o077, 0o644), (0o444, 0, 0o444)]
)
def test_the_mode(path: Path, mode: int | None, umask: int, given: int) -> None:
    before = os.umask(umask)
    try:
        replace_file(str(path), NEW, mode=mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == given
    assert path.read_bytes() == NEW


def test_a_link_is_replaced_and_what_it_leads_to_is_not(path: Path, tmp_path: Path) -> None:
    for target in (path, tmp_path / "nowhere"):
        link = tmp_path / "link"
        link.symlink_to(target)
        replace_file(str(link), NEW)
        assert not link.is_symlink()
        assert link.read_bytes() == NEW
        link.unlink()
    assert path.read_bytes() == OLD
    assert not (tmp_path / "nowhere").exists()


def test_a_pipe_keeps_its_place(path: Path, tmp_path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    link = tmp_path / "link"
    link.symlink_to(path)
    for place in (path, link):
        with pytest.raises(OSError, match="no regular file"):
            replace_file(str(place), NEW)
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(path.parent) == [path.name]


def test_the_file_is_written_in_the_folder_aside(path: Path, tmp_path: Path) -> None:
    seen: list[list[str]] = []
    link, replace = os.link, os.replace

    def looking(call: Callable[..., None]) -> Callable[..., None]:
        def look(*arguments: object, **options: object) -> None:
            seen.append(
                [*os.listdir(path.parent), *(n for n in os.listdir(aside) if not n.startswith(ASIDE))]
            )
            call(*arguments, **options)

        return look

    aside = tmp_path / "aside"
    aside.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "link", looking(link))
        patch.setattr(os, "replace", looking(replace))
        replace_file(str(path), NEW, aside=str(aside))
    assert seen
    assert all(names == ["file"] for names in seen)
    assert os.listdir(aside) == []
    assert path.read_bytes() == NEW


def test_what_replaces_nothing_is_gone(path: Path) -> None:
    with NewFile(str(path.parent)) as new:
        os.write(new.descriptor, NEW)
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == ["file"]


def test_a_folder_is_not_replaced(path: Path) -> None:
    folder = path.parent / "folder"
    folder.mkdir()
    with pytest.raises(OSError, match="directory"):
        replace_file(str(folder), NEW)
    assert sorted(os.listdir(path.parent)) == ["file", "folder"]


def test_a_full_disk_leaves_the_file_as_it_was(path: Path) -> None:
    """A limit on the size of files stands for the disk: the same system calls fail, in the same places."""
    ended = in_a_child(
        """
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        if sys.argv[2] == "False":
            del os.O_TMPFILE
        try:
            replace_file(sys.argv[1], bytes(100_000))
        except OSError as error:
            print(error.strerror)
        """,
        path,
        hasattr(os, "O_TMPFILE"),
    )
    assert ended.stdout == "File too large\n", ended.stderr
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == ["file"]


def test_a_kill_leaves_the_file_as_it_was_and_what_can_be_found(path: Path) -> None:
    unnamed = hasattr(os, "O_TMPFILE")
    ended = in_a_child(
        """
        if sys.argv[2] == "False":
            del os.O_TMPFILE
        new = NewFile(os.path.dirname(sys.argv[1]))
        os.write(new.descriptor, b"half")
        os.kill(os.getpid(), signal.SIGKILL)
        """,
        path,
        unnamed,
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert path.read_bytes() == OLD
    left = [name for name in os.listdir(path.parent) if name != "file"]
    assert len(left) == (0 if unnamed else 1)
    for name in left:
        os.utime(path.parent / name, (0, 0))
    remove_abandoned(str(path.parent), age_s=60, prefix=ASIDE)
    assert os.listdir(path.parent) == ["file"]


def write_in_place(path: str, data: bytes) -> None:
    with open(path, "wb") as file:
        file.write(data)


def torn(path: Path, write: Callable[[str, bytes], None], *, seconds: float) -> bool:
    """Whether somebody who reads all the time, while four others write, sees anything but one of the four."""
    wholes = [bytes([letter]) * 1_000_000 for letter in b"abcd"]
    write(str(path), wholes[0])
    end = time.monotonic() + seconds
    found = threading.Event()
    problems: list[BaseException] = []

    def writing(whole: bytes) -> None:
        try:
            while time.monotonic() < end and not found.is_set():
                write(str(path), whole)
        except BaseException as problem:
            problems.append(problem)

    writers = [threading.Thread(target=writing, args=(whole,)) for whole in wholes]
    for writer in writers:
        writer.start()
    while time.monotonic() < end and not found.is_set():
        if path.read_bytes() not in wholes:
            found.set()
    for writer in writers:
        writer.join()
    assert problems == []
    return found.is_set()


def test_several_at_once_never_tear_the_file(path: Path) -> None:
    assert not torn(path, replace_file, seconds=0.5)
    assert os.listdir(path.parent) == ["file"]
    # The same eyes see it where the file is written in place.
    assert torn(path, write_in_place, seconds=60)


def test_a_new_folder_is_private_and_removed(tmp_path: Path) -> None:
    with new_folder(str(tmp_path)) as folder:
        Path(folder, "inner").mkdir()
        Path(folder, "inner", "file").write_bytes(b"x")
        assert stat.S_IMODE(os.stat(folder).st_mode) == 0o700
    assert os.listdir(tmp_path) == []
    with new_folder(str(tmp_path)) as folder:
        os.rename(folder, tmp_path / "kept")
    assert os.listdir(tmp_path) == ["kept"]


def test_only_what_is_old_and_unfinished_is_abandoned(tmp_path: Path) -> None:
    for name in (f"{ASIDE}old", f"{ASIDE}new", "old", "new"):
        (tmp_path / f"{name} file").write_bytes(b"x")
        (tmp_path / f"{name} folder").mkdir()
        (tmp_path / f"{name} folder" / "file").write_bytes(b"x")
    for entry in tmp_path.iterdir():
        if "old " in entry.name:
            os.utime(entry, (0, 0))
    remove_abandoned(str(tmp_path), age_s=60, prefix=ASIDE)
    assert {p.name for p in tmp_path.iterdir()} == {
        f"{name} {kind}" for name in (f"{ASIDE}new", "old", "new") for kind in ("file", "folder")
    }
    remove_abandoned(str(tmp_path), age_s=60)
    assert not any(p.name.startswith("old") for p in tmp_path.iterdir())


def test_the_folder_of_a_killed_process_is_abandoned_at_once(tmp_path: Path) -> None:
    body = """
    with new_folder(sys.argv[1]) as folder:
        open(os.path.join(folder, "large"), "w").close()
        os.kill(os.getpid(), signal.SIGKILL)
    """
    in_a_child(body, tmp_path)
    with new_folder(str(tmp_path)) as held:
        (left,) = set(os.listdir(tmp_path)) - {os.path.basename(held)}
        for name in (left, held):
            os.utime(tmp_path / name, (time.time() - 60, time.time() - 60))
        remove_abandoned(str(tmp_path), age_s=3600, prefix="other")
        assert len(os.listdir(tmp_path)) == 2
        remove_abandoned(str(tmp_path), age_s=3600, prefix=ASIDE)
        assert os.listdir(tmp_path) == [os.path.basename(held)]
