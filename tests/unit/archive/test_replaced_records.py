"""An archive with other contents of some records has the bytes of one that is written with them."""

from __future__ import annotations

import errno
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.archive import replaced_records
from hermpkg_build.archive.replaced_records import PresentArchive, Replaced, replace_records
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.errors import ArchiveError

NAMES = (".data/0.storage", ".data/1.storage", ".data/hermpkg/manifest.json", "a.py", "b/größe.py", "z.bin")
sizes = st.sampled_from((0, 1, 63, 64, 1000, 300_000))


def write(path: Path, contents: Mapping[str, bytes]) -> str:
    records = [Record(name=name, content=data) for name, data in contents.items()]
    return write_archive(str(path), root="root", records=records).hash


def replace(path: Path, new: Mapping[str, bytes], sha256: str = "") -> Replaced | None:
    known = sha256 or hashlib.sha256(path.read_bytes()).hexdigest()
    return replace_records(str(path), sha256=known, contents=lambda _: new)


@given(
    st.dictionaries(st.sampled_from(NAMES), sizes, min_size=1),
    st.dictionaries(st.sampled_from(NAMES), sizes, min_size=1),
)
def test_the_bytes_are_those_of_an_archive_that_is_written(
    before: Mapping[str, int], after: Mapping[str, int]
) -> None:
    old = {name: os.urandom(size) for name, size in before.items()}
    new = {name: os.urandom(size) for name, size in after.items() if name in old}
    if not new:
        return
    with tempfile.TemporaryDirectory() as folder:
        one, other = Path(folder, "one.pt"), Path(folder, "other.pt")
        write(one, old)
        done = replace(one, new)
        assert done is not None
        assert done.sha256 == write(other, {**old, **new})
        assert one.read_bytes() == other.read_bytes()
        assert (done.size, done.signature) == (one.stat().st_size, signature_of(one.stat()))
        assert one.stat().st_mode == other.stat().st_mode
        assert sorted(os.listdir(folder)) == ["one.pt", "other.pt"]


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "one.pt"
    write(path, {name: bytes([65 + at]) * 1000 for at, name in enumerate(NAMES)})
    return path


def test_records_can_be_read_as_they_are(archive: Path) -> None:
    read: list[bytes] = []
    assert (
        replace_records(str(archive), sha256="", contents=lambda old: read.append(old.read("a.py"))) is None
    )
    assert read == [b"D" * 1000]


def test_an_archive_with_other_bytes_than_it_should_have_stays(archive: Path) -> None:
    known = hashlib.sha256(archive.read_bytes()).hexdigest()
    damaged = bytearray(archive.read_bytes())
    damaged[500] ^= 1
    archive.write_bytes(damaged)
    assert replace(archive, {"a.py": b"new"}, known) is None
    assert archive.read_bytes() == damaged


def test_an_archive_of_another_layout_stays(archive: Path) -> None:
    written = archive.read_bytes()
    archive.write_bytes(b"#!/bin/sh\n" + written)
    assert replace(archive, {"a.py": b"new"}) is None
    archive.write_bytes(written + b"more")
    with pytest.raises(ArchiveError):
        replace(archive, {"a.py": b"new"})
    archive.write_bytes(b"")
    assert replace(archive, {"a.py": b"new"}) is None


def test_a_record_that_is_not_there(archive: Path) -> None:
    with pytest.raises(KeyError):
        replace(archive, {"c.py": b"new"})


def test_much_behind_the_first_record_is_left_to_a_build(
    archive: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replaced_records, "_LARGEST_REST", 100)
    assert replace(archive, {"a.py": b"new"}) is None


@pytest.mark.parametrize("code", [errno.ENOSYS, errno.EXDEV, errno.ENOSPC])
def test_where_the_kernel_does_not_copy(archive: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def fails(*_: object) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "copy_file_range", fails, raising=False)
    before = archive.read_bytes()
    if code == errno.ENOSPC and replaced_records.sys.platform == "linux":
        with pytest.raises(OSError, match="No space"):
            replace(archive, {"a.py": b"new"})
        assert archive.read_bytes() == before
    else:
        assert replace(archive, {"a.py": b"new"}) is not None
        assert archive.read_bytes() != before
    assert os.listdir(archive.parent) == ["one.pt"]


def test_hashing_ends_early_where_nothing_is_replaced(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaced_records, "_STEP", 1)
    started = threading.Event()
    slow = type("Slow", (), {"update": lambda _, __: (started.set(), time.sleep(0.001))})
    monkeypatch.setattr(replaced_records.hashlib, "sha256", slow)

    def contents(_: PresentArchive) -> None:
        started.wait()

    before = archive.read_bytes()
    threads = threading.active_count()
    assert replace_records(str(archive), sha256="", contents=contents) is None
    assert threading.active_count() == threads
    assert archive.read_bytes() == before
