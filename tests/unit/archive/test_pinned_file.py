"""A pinned file gives the bytes that it gave first, or an error; never others."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.archive.pinned_file import CHUNK, PinnedFile
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.errors import ArchiveError

CONTENTS = {
    ".data/version": b"6\n",
    ".data/0.storage": bytes(range(256)) * 1024,
    "models/größe.py": "x = 'é'\n".encode() * 50,
    "empty.txt": b"",
    "z.bin": bytes(2 * CHUNK),  # Between the others and the directory, whose chunk is kept.
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "an archive.pt"
    write_archive(path, root="r", records=[Record(name=n, content=c) for n, c in CONTENTS.items()])
    return path


def flip(path: Path, at: int) -> None:
    with open(path, "r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


def replace(path: Path) -> None:
    other = path.with_suffix(".new")
    other.write_bytes(path.read_bytes().replace(b"x = ", b"y = "))
    os.replace(other, path)


def overwrite(path: Path) -> None:
    flip(path, path.read_bytes().index(b"x = "))


def cut(path: Path) -> None:
    os.truncate(path, 100)


@pytest.mark.parametrize("whole", [True, False])
def test_an_archive_reads_as_ever(path: Path, whole: bool) -> None:
    file = PinnedFile(str(path), whole=whole)
    assert file.sha256 == (hashlib.sha256(path.read_bytes()).hexdigest() if whole else "")
    with ArchiveReader(file) as reader:
        assert {name: reader.read(name) for name in reader.names()} == CONTENTS
        assert bytes(reader.raw()) == path.read_bytes()
        assert reader.open_path() == ""
        view = reader.private_views(None if whole else True)(".data/0.storage")
        assert view == CONTENTS[".data/0.storage"]


@pytest.mark.parametrize("change", [overwrite, cut])
@pytest.mark.parametrize("released", [True, False])
def test_what_is_written_in_place_is_an_error(
    path: Path, change: Callable[[Path], None], released: bool
) -> None:
    with ArchiveReader(PinnedFile(str(path), whole=True)) as reader:
        if released:
            reader.release()
        change(path)
        with pytest.raises(ArchiveError, match="written over or replaced"):
            reader.read("models/größe.py")


def test_a_file_that_is_replaced_is_still_read_but_not_once_it_was_closed(path: Path) -> None:
    with ArchiveReader(PinnedFile(str(path), whole=True)) as reader:
        replace(path)
        assert reader.read("models/größe.py") == CONTENTS["models/größe.py"]
        reader.read("z.bin")
        reader.release()
        with pytest.raises(ArchiveError, match="written over or replaced"):
            reader.read("models/größe.py")


def test_tensors_of_a_digest_are_copied_and_compared(path: Path) -> None:
    with ArchiveReader(PinnedFile(str(path), whole=True)) as reader:
        flip(path, path.read_bytes().index(CONTENTS[".data/0.storage"]) + 200_000)
        with pytest.raises(ArchiveError, match="written over or replaced"):
            reader.private_views(True)(".data/0.storage")


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(0, 3 * CHUNK),
    spans=st.lists(st.tuples(st.integers(0, 3 * CHUNK), st.integers(0, 2 * CHUNK)), max_size=6),
    flipped=st.integers(0, 3 * CHUNK - 1),
    whole=st.booleans(),
)
def test_every_reading_is_of_the_first_bytes(
    tmp_path_factory: pytest.TempPathFactory,
    size: int,
    spans: list[tuple[int, int]],
    flipped: int,
    whole: bool,
) -> None:
    path = tmp_path_factory.mktemp("pinned") / "file"
    content = os.urandom(size)
    path.write_bytes(content)
    file = PinnedFile(str(path), whole=whole)
    for start, length in spans:
        assert file.read_at(start, length) == content[start : start + length]
    if flipped >= size:
        return
    flip(path, flipped)
    for start, length in [*spans, (0, size)]:
        if whole:
            with_flipped = content[start : start + length]
            try:
                assert file.read_at(start, length) == with_flipped
            except ArchiveError:
                assert start // CHUNK * CHUNK <= flipped < start + length + CHUNK
        elif spans:
            try:
                again = file.read_at(start, length)
            except ArchiveError:
                continue
            for first, many in spans:
                low, high = max(first, start), min(first + many, start + length)
                assert low >= high or again[low - start : high - start] == content[low:high]


def test_threads_that_read_first_at_the_same_time_get_the_same_bytes(tmp_path: Path) -> None:
    """Each reads a file that another thread writes to all the time: what two of them get is equal."""
    path = tmp_path / "file"
    path.write_bytes(bytes(CHUNK))
    stop = threading.Event()

    def write() -> None:
        with open(path, "r+b", buffering=0) as file:
            value = 0
            while not stop.is_set():
                value = (value + 1) % 256
                os.pwrite(file.fileno(), bytes([value]) * 16, 1000)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(100):
            file = PinnedFile(str(path), whole=False)
            got: set[bytes] = set()

            def read(file: PinnedFile = file, got: set[bytes] = got) -> None:
                try:
                    got.add(file.read_at(0, CHUNK))
                except ArchiveError:
                    return

            readers = [threading.Thread(target=read) for _ in range(3)]
            for reader in readers:
                reader.start()
            for reader in readers:
                reader.join()
            assert len(got) == 1
            file.close()
    finally:
        stop.set()
        writer.join()
