"""An archive with other contents of some records has the bytes of one that is written with them."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.archive import first_bytes, replaced_records
from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.first_bytes import FirstBytes, KnownFile
from hermpkg_build.archive.replaced_records import PresentArchive, replace_records
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.disk import midstates, spare_files
from hermpkg_build.disk.midstates import Midstate, midstates_of, remembering_hash
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.errors import ArchiveError

NAMES = (
    ".data/0.storage",
    ".data/1.storage",
    ".data/hermpkg/manifest.json",
    "a.py",
    "b/größe.py",
    *(f"c{number}.py" for number in range(5)),
    "z.bin",
)
sizes = st.sampled_from((0, 1, 63, 64, 1000, 300_000, 1 << 20, 3_000_000))


def write(path: Path, contents: Mapping[str, bytes]) -> tuple[str, tuple[Midstate, ...]]:
    hash_ = remembering_hash()
    records = [Record(name=name, content=data) for name, data in contents.items()]
    digest = write_archive(str(path), root="root", records=records, hash_=hash_)
    assert digest.hash == hashlib.sha256(path.read_bytes()).hexdigest()
    return digest.hash, midstates_of(hash_)


def known(path: Path, found: Sequence[Midstate] = ()) -> KnownFile:
    return KnownFile(hashlib.sha256(path.read_bytes()).hexdigest(), signature_of(path.stat()), found)


def replace(
    path: Path, new: Mapping[str, bytes], was: KnownFile | None = None, *, spare: str = ""
) -> KnownFile | None:
    return replace_records(str(path), known=was or known(path), contents=lambda _: new, spare=spare)


@given(
    st.dictionaries(st.sampled_from(NAMES), sizes, min_size=1),
    st.dictionaries(st.sampled_from(NAMES[2:]), sizes, min_size=1),
    st.booleans(),
    st.sampled_from((z.MAX_32, 500_000, 2_000)),
)
def test_the_bytes_are_those_of_an_archive_that_is_written(
    before: Mapping[str, int], after: Mapping[str, int], has_midstates: bool, largest: int
) -> None:
    old = {name: os.urandom(size) for name, size in before.items()}
    new = {name: os.urandom(size) for name, size in after.items() if name in old}
    if not new:
        return
    with tempfile.TemporaryDirectory() as folder, mock.patch.object(z, "MAX_32", largest):
        one, other = Path(folder, "one.pt"), Path(folder, "other.pt")
        _, found = write(one, old)
        done = replace(one, new, known(one, found if has_midstates else ()))
        assert done is not None
        sha256, written = write(other, {**old, **new})
        assert done.sha256 == sha256
        assert set(done.midstates) <= {*written}
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
        replace_records(
            str(archive), known=known(archive), contents=lambda old: read.append(old.read("a.py"))
        )
        is None
    )
    assert read == [b"D" * 1000]


def test_an_archive_with_other_bytes_than_it_should_have_stays(archive: Path) -> None:
    was = known(archive)
    damaged = bytearray(archive.read_bytes())
    damaged[500] ^= 1
    archive.write_bytes(damaged)
    assert replace(archive, {"a.py": b"new"}, was) is None, "by its signature"
    was = KnownFile(was.sha256, signature_of(archive.stat()))
    assert replace(archive, {"a.py": b"new"}, was) is None, "by its digest"
    assert archive.read_bytes() == damaged


LARGE = {**dict.fromkeys(NAMES, b""), NAMES[0]: bytes(range(250)) * 14_000, "a.py": b"pass" * 200_000}


@pytest.fixture
def large(tmp_path: Path) -> tuple[Path, KnownFile]:
    path = tmp_path / "large.pt"
    sha256, found = write(path, LARGE)
    if not found:
        pytest.skip("this Python does not call a library that has midstates")
    return path, KnownFile(sha256, signature_of(path.stat()), found)


def test_what_a_midstate_tells_is_not_hashed_again(
    large: tuple[Path, KnownFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, was = large
    hashed = 0

    def take(self: midstates.RememberingHash, view: memoryview) -> None:
        nonlocal hashed
        hashed += len(view)
        really(self, view)

    really = midstates.RememberingHash._take
    for text in (b"new", b"newer" * 300_000):
        with monkeypatch.context() as patch:
            patch.setattr(midstates.RememberingHash, "_take", take)
            done = replace(path, {"a.py": text}, was)
        assert done is not None
        assert done == known(path, done.midstates)
        assert done.midstates[0] == (3 << 20, dict(was.midstates)[3 << 20])
        was = done
    assert 0 < hashed < 5 << 20


@pytest.mark.parametrize(
    "wrong",
    [
        lambda found: [(found[1][0], found[0][1])],
        lambda found: [(found[0][0], found[1][1])],
        lambda found: [(0, found[0][1])],
        lambda found: [(found[1][0], found[1][1][::-1])],
    ],
)
def test_wrong_midstates_do_not_pass(
    large: tuple[Path, KnownFile], wrong: Callable[[Sequence[Midstate]], Sequence[Midstate]]
) -> None:
    path, was = large
    before = path.read_bytes()
    assert replace(path, {"a.py": b"new"}, was._replace(midstates=wrong(was.midstates))) is None
    assert path.read_bytes() == before


def test_midstates_of_records_that_change_are_of_no_use(large: tuple[Path, KnownFile]) -> None:
    path, was = large
    assert was.midstates[-1][0] == 4 << 20, "within the source"
    done = replace(path, {"a.py": b"new"}, was._replace(midstates=was.midstates[-1:]))
    assert done == known(path, ())


def test_an_archive_that_is_written_meanwhile_stays(large: tuple[Path, KnownFile]) -> None:
    path, was = large

    def contents(_: PresentArchive) -> Mapping[str, bytes]:
        with path.open("r+b") as file:
            file.seek(100)
            file.write(b"other")
        os.utime(path, ns=(0, was.signature[1]))
        return {"a.py": b"new"}

    assert replace_records(str(path), known=was, contents=contents) is None
    assert path.read_bytes()[100:105] == b"other"


def test_tensors_are_not_replaced(archive: Path) -> None:
    before = archive.read_bytes()
    assert replace(archive, {NAMES[1]: b"new"}) is None
    assert archive.read_bytes() == before


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
    if code == errno.ENOSPC and sys.platform == "linux":
        with pytest.raises(OSError, match="No space"):
            replace(archive, {"a.py": b"new"})
        assert archive.read_bytes() == before
    else:
        assert replace(archive, {"a.py": b"new"}) is not None
        assert archive.read_bytes() != before
    assert os.listdir(archive.parent) == ["one.pt"]


def test_after_an_edit_only_the_end_is_written(
    large: tuple[Path, KnownFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, was = large
    spare = path.parent / "spares" / "large"
    copied: list[tuple[int, int]] = []
    copy = FirstBytes._copy
    monkeypatch.setattr(FirstBytes, "_copy", lambda *given: (copied.append(given[1:]), copy(*given)))
    monkeypatch.setattr(spare_files, "_is_local", lambda device: True)
    for number, size in enumerate((9, 700_000, 10, 0, 11)):
        text = str(number).encode() * size
        copied.clear()
        written = spare.read_bytes() if spare.exists() else b""
        done = replace(path, {"a.py": text}, was, spare=str(spare))
        assert done is not None
        if done.spare is None or (number and spare.read_bytes() == written):
            pytest.skip("this file system keeps none")
        assert done == known(path, done.midstates)._replace(spare=done.spare)
        write(path.parent / "other.pt", {**LARGE, "a.py": text})
        assert path.read_bytes() == (path.parent / "other.pt").read_bytes()
        assert bool(copied) == (not number)
        assert os.listdir(spare.parent) == ["large"]
        was = done


def test_who_reads_an_archive_sees_no_later_edit(
    large: tuple[Path, KnownFile], monkeypatch: pytest.MonkeyPatch
) -> None:
    path, was = large
    monkeypatch.setattr(spare_files, "_is_local", lambda device: True)
    read: list[tuple[bytes, mmap.mmap]] = []
    for number in range(6):
        if number % 3:
            with path.open("rb") as file:
                read.append((file.read(), mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
        new = {"a.py": str(number).encode() * 100}
        done = replace(path, new, was, spare=str(path.parent / "spare"))
        assert done is not None
        was = done
    for data, mapped in read:
        assert mapped[:] == data
        mapped.close()


@pytest.mark.parametrize("what", ["_copy", "_follow"])
def test_it_ends_early_where_nothing_is_replaced(
    large: tuple[Path, KnownFile], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    path, was = large
    monkeypatch.setattr(first_bytes, "_STEP", 1)
    started = threading.Event()
    monkeypatch.setattr(FirstBytes, what, lambda *_: (started.set(), time.sleep(0.001)))
    before = path.read_bytes()
    threads = threading.active_count()
    without = was._replace(midstates=())
    assert replace_records(str(path), known=without, contents=lambda _: started.wait() and None) is None
    assert threading.active_count() == threads
    assert path.read_bytes() == before


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
def test_a_file_that_cannot_be_made_is_told_as_what_it_is(tmp_path, monkeypatch, number):
    path = tmp_path / "a.pt"
    write(path, dict.fromkeys(NAMES, b"x"))
    before = path.read_bytes()

    def refuse(*words, **options):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(replaced_records, "NewFile", refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        replace(path, {"a.py": b"y"})
    assert path.read_bytes() == before
