"""Archives as they are written: their bytes, their layout, and what a failure leaves behind."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import random
import signal
import stat
import struct
import subprocess
import sys
import textwrap
import threading
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.archive import copying
from hermpkg_build.archive.plan import plan_archive
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.slices import OtherBytesError
from hermpkg_build.archive.writer import FileSlice, Record, replace_archive, stream_archive, write_archive
from hermpkg_build.core.digest import Digest
from hermpkg_build.errors import ActionError, ArchiveError, LocalEnvironmentError

GIB = 1 << 30


def some_records(folder: Path) -> list[Record]:
    big = folder / "big"
    big.write_bytes(random.Random(1).randbytes(3_000_000))
    return [
        Record(name=".data/version", content=b"6\n"),
        Record(name=".data/0.storage", content=FileSlice(path=str(big), offset=7, size=2_500_001)),
        Record(name=".data/1.storage", content=FileSlice(path=str(big), size=1000)),
        Record(name="models/größe.py", content="x = 'é'\n".encode()),
        Record(name="empty.txt", content=b""),
        Record(name="view", content=memoryview(b"abcdef")[2:]),
    ]


def archive_bytes(records: list[Record], root: str = "r") -> bytes:
    stream = io.BytesIO()
    stream_archive(stream, root=root, records=records)
    return stream.getvalue()


def test_zipfile_reads_every_record(tmp_path: Path) -> None:
    records = some_records(tmp_path)
    write_archive(str(tmp_path / "out.pt"), root="model", records=records)
    with zipfile.ZipFile(tmp_path / "out.pt") as archive:
        assert archive.testzip() is None
        names = archive.namelist()
        assert names == sorted(names, key=str.encode)
        assert archive.read("model/.data/0.storage") == (tmp_path / "big").read_bytes()[7 : 7 + 2_500_001]
        assert archive.read("model/models/größe.py").decode() == "x = 'é'\n"
        assert archive.read("model/view") == b"cdef"
        for info in archive.infolist():
            assert info.compress_type == zipfile.ZIP_STORED
            assert info.date_time == (1980, 1, 1, 0, 0, 0)
            assert info.external_attr >> 16 == stat.S_IFREG | 0o644
            assert info.create_system == 3


def test_the_digest_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "out.pt"
    digest = write_archive(str(path), root="model", records=some_records(tmp_path))
    assert digest.hash == hashlib.sha256(path.read_bytes()).hexdigest()
    assert digest.size == path.stat().st_size


def test_a_stream_gets_the_same_bytes(tmp_path: Path) -> None:
    records = some_records(tmp_path)
    write_archive(str(tmp_path / "out.pt"), root="r", records=records)
    assert archive_bytes(records) == (tmp_path / "out.pt").read_bytes()


def write_to_stream(path: str, *, root: str, records: list[Record]) -> None:
    stream_archive(io.BytesIO(), root=root, records=records)


@pytest.mark.parametrize("size", [1, 1000, 300_000, 3_000_000])
@pytest.mark.parametrize("known", ["crc32", "digest"])
@pytest.mark.parametrize("write", [write_archive, replace_archive, write_to_stream])
def test_bytes_that_changed_since_they_were_computed_are_not_written(
    tmp_path: Path, size: int, known: str, write: Callable[..., object]
) -> None:
    data = random.Random(1).randbytes(size)
    source, out = tmp_path / "source", tmp_path / "out.pt"
    digest = Digest.of(data) if known == "digest" else None
    piece = FileSlice(path=str(source), size=size, digest=digest)
    record = Record(name="w", content=piece, crc32=zlib.crc32(data) if known == "crc32" else None)
    source.write_bytes(data)
    write(str(out), root="r", records=[record])
    before = out.read_bytes() if out.exists() else b""
    source.write_bytes(data[:-1] + bytes([data[-1] ^ 0x40]))
    with pytest.raises(OtherBytesError, match="has other bytes"):
        write(str(out), root="r", records=[record])
    assert (out.read_bytes() if out.exists() else b"") == before


class Raw(io.RawIOBase):
    """A stream without a buffer that takes at most `most` bytes at a time, or none and says None."""

    def __init__(self, most: int) -> None:
        self.taken = bytearray()
        self._most = most

    def write(self, data) -> int | None:
        self.taken += data[: self._most]
        return min(len(data), self._most) or None


def test_a_stream_that_takes_less_at_a_time_gets_the_same_bytes(tmp_path: Path) -> None:
    records = [*some_records(tmp_path), Record(name="big", content=bytes(range(256)) * 2000)]
    raw = Raw(1000)
    stream_archive(raw, root="r", records=records)
    assert bytes(raw.taken) == archive_bytes(records)


def test_a_stream_that_takes_nothing_is_an_error() -> None:
    with pytest.raises(BlockingIOError):
        stream_archive(Raw(0), root="r", records=[Record(name="a", content=b"1")])


def test_a_stream_that_does_not_tell_has_taken_everything(tmp_path: Path) -> None:
    class Silent:
        taken = b""

        def write(self, data: bytes) -> None:
            self.taken += data

    silent, records = Silent(), some_records(tmp_path)
    stream_archive(silent, root="r", records=records)
    assert silent.taken == archive_bytes(records)


def test_payloads_start_at_multiples_of_64(tmp_path: Path) -> None:
    records = [Record(name="n" * length, content=b"x" * length) for length in range(1, 140)]
    write_archive(str(tmp_path / "out.pt"), root="r", records=records)
    with ArchiveReader(tmp_path / "out.pt") as reader:
        assert {reader.entry(name).offset % 64 for name in reader.names()} == {0}
    with zipfile.ZipFile(tmp_path / "out.pt") as archive:
        assert archive.testzip() is None


def test_info_zip_finds_no_fault(tmp_path: Path) -> None:
    write_archive(str(tmp_path / "out.pt"), root="r", records=some_records(tmp_path))
    result = subprocess.run(
        ["unzip", "-tqq", tmp_path / "out.pt"],
        # It takes the names of files for text in the encoding of the locale.
        env={**os.environ, "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "")


def naive_zip(path: Path, contents: dict[str, bytes], folder: Path) -> bytes:
    """What one writes without a thought: files, in the order given, with zipfile."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in contents.items():
            file = folder / name
            if not file.exists():  # Written again, it might have another time.
                file.write_bytes(data)
            archive.write(file, f"r/{name}")
    return path.read_bytes()


def our_zip(path: Path, contents: dict[str, bytes], folder: Path) -> bytes:
    records = []
    for name, data in contents.items():
        file = folder / name
        file.write_bytes(data)
        records.append(Record(name=name, content=FileSlice(path=str(file), size=len(data))))
    write_archive(str(path), root="r", records=records)
    return path.read_bytes()


@pytest.mark.parametrize("change", ["order", "umask", "time", "output"])
def test_only_names_and_contents_count(tmp_path: Path, change: str) -> None:
    """Equal records give equal bytes; the control shows that each of these changes could be seen."""
    contents = {"a.py": b"a = 1\n", "b.py": b"b = 2\n"}
    results = {}
    for write in (our_zip, naive_zip):
        folder = tmp_path / write.__name__
        folder.mkdir()
        again, out = contents, folder / "out.pt"
        old_umask = os.umask(0o022)
        try:
            first = write(folder / "out.pt", contents, folder)
            if change == "order":
                again = dict(reversed(contents.items()))
            elif change == "umask":
                os.umask(0o077)
                for name in contents:
                    (folder / name).unlink()
            elif change == "output":
                out = folder / "other.pt"
            if change == "time":
                for name in contents:
                    (folder / name).unlink()
                past = write_with_old_times(write, out, again, folder)
                results[write] = first == past
                continue
            results[write] = first == write(out, again, folder)
        finally:
            os.umask(old_umask)
    assert results[our_zip]
    # zipfile does not write the output's name, so that is the one change the control survives.
    assert results[naive_zip] == (change == "output")


def write_with_old_times(write, out: Path, contents: dict[str, bytes], folder: Path) -> bytes:
    real = Path.write_bytes

    def dated(self: Path, data: bytes) -> int:
        count = real(self, data)
        os.utime(self, (1e9, 1e9))
        return count

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "write_bytes", dated)
        return write(out, contents, folder)


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o077])
def test_the_file_is_0644_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    old = os.umask(umask)
    try:
        write_archive(str(tmp_path / "out.pt"), root="r", records=[Record(name="a", content=b"1")])
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "out.pt").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("names", "word"),
    [
        (["../a"], "'..'"),
        (["a/./b"], "'.'"),
        (["/a"], "absolute"),
        (["a\\b"], "backslash"),
        (["a\0b"], "NUL"),
        (["a//b"], "''"),
        (["a/"], "''"),
        ([""], "empty"),
        (["a\udcff"], "UTF-8"),
        (["a", "a"], "two records"),
        (["x" * 512], "too long"),
    ],
)
def test_names_that_cannot_be(tmp_path: Path, names: list[str], word: str) -> None:
    out = tmp_path / "out.pt"
    with pytest.raises(ArchiveError, match=word):
        write_archive(str(out), root="r", records=[Record(name=name, content=b"") for name in names])
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("root", ["", "a/b", "..", "a\\b"])
def test_roots_that_cannot_be(tmp_path: Path, root: str) -> None:
    with pytest.raises(ArchiveError, match="root folder"):
        write_archive(str(tmp_path / "out.pt"), root=root, records=[])


def test_a_source_that_is_too_short_leaves_the_old_file(tmp_path: Path) -> None:
    out, source = tmp_path / "out.pt", tmp_path / "source"
    out.write_bytes(b"old")
    source.write_bytes(bytes(1000))
    for size in (2000, 2_000_000):
        record = Record(name="a", content=FileSlice(path=str(source), size=size), crc32=0)
        with pytest.raises(ActionError, match="became shorter") as caught:
            write_archive(str(out), root="r", records=[record])
        assert ("found", "1000 bytes") in caught.value.facts
    assert out.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["out.pt", "source"]


def test_a_source_that_is_missing_leaves_no_file(tmp_path: Path) -> None:
    record = Record(name="a", content=FileSlice(path=str(tmp_path / "none"), size=5))
    with pytest.raises(ActionError, match="cannot be opened"):
        write_archive(str(tmp_path / "out.pt"), root="r", records=[record])
    assert os.listdir(tmp_path) == []


def test_a_target_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    for target, reason in (
        (tmp_path / "none" / "out.pt", "No such file"),
        (tmp_path / "folder", "directory"),
    ):
        with pytest.raises(LocalEnvironmentError, match="cannot be written") as caught:
            write_archive(str(target), root="r", records=[Record(name="a", content=b"1")])
        assert reason in str(caught.value)
        assert caught.value.next_step
    assert os.listdir(tmp_path) == ["folder"]


def test_a_pipe_or_device_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    for name in ("pipe", "link"):
        with pytest.raises(LocalEnvironmentError, match="device, pipe or socket"):
            write_archive(str(tmp_path / name), root="r", records=[Record(name="a", content=b"1")])
        assert stat.S_ISFIFO((tmp_path / name).stat().st_mode)
    assert sorted(os.listdir(tmp_path)) == ["link", "pipe"]


def test_a_full_disk_is_told_and_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: the same system calls fail, in the same places."""
    out = tmp_path / "out.pt"
    out.write_bytes(b"old")
    source = tmp_path / "source"
    source.write_bytes(bytes(4 << 20))
    script = textwrap.dedent("""
        import resource, signal, sys
        from hermpkg_build.archive.writer import *
        from hermpkg_build.errors import LocalEnvironmentError
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        for content in (FileSlice(path=sys.argv[2], size=4 << 20), bytes(4 << 20)):
            try:
                write_archive(sys.argv[1], root="r", records=[Record(name="a", content=content, crc32=0)])
            except LocalEnvironmentError as error:
                print(error.facts[1], error.exit_code.value)
    """)
    result = subprocess.run(
        [sys.executable, "-c", script, out, source], capture_output=True, text=True, check=True
    )
    assert result.stdout == "('reason', 'File too large') 36\n" * 2
    assert out.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["out.pt", "source"]


def test_a_killed_writer_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    out, fifo = tmp_path / "out.pt", tmp_path / "fifo"
    out.write_bytes(b"old")
    os.mkfifo(fifo)
    # The writer stops in the middle: its second record comes from a pipe that nobody feeds.
    script = textwrap.dedent("""
        import sys
        from hermpkg_build.archive.writer import *
        write_archive(sys.argv[1], root="r", records=[
            Record(name="a", content=bytes(2 << 20)),
            Record(name="b", content=FileSlice(path=sys.argv[2], size=5 << 20), crc32=0),
        ])
    """)
    process = subprocess.Popen([sys.executable, "-c", script, out, fifo])
    feeding = os.open(fifo, os.O_WRONLY)
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.wait()
    os.close(feeding)
    assert out.read_bytes() == b"old"
    assert sorted(os.listdir(tmp_path)) == ["fifo", "out.pt"]


def sparse(path: Path, size: int) -> FileSlice:
    with path.open("wb") as file:
        file.truncate(size)
    return FileSlice(path=str(path), size=size)


def lay_out_sparsely(path: Path, records: list[Record]) -> None:
    """Write an archive whose file contents are holes: the real headers at their places, no gigabytes."""
    position = 0
    with path.open("wb") as file:
        for piece in plan_archive("r", records):
            if isinstance(piece, FileSlice):
                position += piece.size
            else:
                file.seek(position)
                file.write(piece)
                position += len(piece)
        file.truncate(position)


@pytest.mark.parametrize("size", [4 * GIB - 2, 4 * GIB - 1, 4 * GIB, 5 * GIB])
def test_records_of_4_gib_and_more(tmp_path: Path, size: int) -> None:
    path = tmp_path / "out.pt"
    records = [
        Record(name="a", content=sparse(tmp_path / "large", size), crc32=0),
        Record(name="b", content=b"behind it"),
    ]
    lay_out_sparsely(path, records)
    with ArchiveReader(path) as reader:
        assert reader.entry("a").size == size
        assert reader.read("b") == b"behind it"
        assert reader.view("a")[-1] == 0
        assert {reader.entry(name).offset % 64 for name in "ab"} == {0}
    with zipfile.ZipFile(path) as archive:
        assert [info.file_size for info in archive.infolist()] == [size, 9]
        assert archive.read("r/b") == b"behind it"
        # Opening a record compares its local header with the directory.
        archive.open("r/a").close()


def test_an_archive_beyond_4_gib_of_smaller_records(tmp_path: Path) -> None:
    path = tmp_path / "out.pt"
    large = sparse(tmp_path / "large", GIB)
    records = [Record(name=f"{i}", content=large, crc32=0) for i in range(5)]
    lay_out_sparsely(path, [*records, Record(name="last", content=b"last")])
    with ArchiveReader(path) as reader, zipfile.ZipFile(path) as archive:
        assert reader.read("last") == archive.read("r/last") == b"last"
        assert reader.entry("4").offset > 4 * GIB


@pytest.mark.parametrize("count", [65_534, 65_535, 65_536])
def test_more_records_than_16_bits_count(tmp_path: Path, count: int) -> None:
    path = tmp_path / "out.pt"
    write_archive(str(path), root="r", records=[Record(name=f"{i}", content=b"") for i in range(count)])
    with ArchiveReader(path) as reader, zipfile.ZipFile(path) as archive:
        assert len(reader.names()) == len(archive.namelist()) == count


def test_contents_in_files_are_not_held_in_memory(tmp_path: Path) -> None:
    source = sparse(tmp_path / "large", 128 << 20)
    script = textwrap.dedent("""
        import resource, sys
        from hermpkg_build.archive.writer import *
        write_archive(sys.argv[1], root="r", records=[Record(name="warm", content=b"1")])
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        record = Record(name="a", content=FileSlice(path=sys.argv[2], size=128 << 20))
        write_archive(sys.argv[1], root="r", records=[record])
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    """)
    arguments = [sys.executable, "-c", script, tmp_path / "out.pt", source.path]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    unit = 1 if sys.platform == "darwin" else 1024
    assert int(result.stdout) * unit < 32 << 20


@pytest.mark.parametrize("quick", [True, False])
@pytest.mark.parametrize("right", [True, False])
def test_a_file_is_compared_with_its_checksum(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, quick: bool, right: bool
) -> None:
    """By the thread that copies, or by one of its own."""
    monkeypatch.setattr(copying, "is_quick", lambda: quick)
    monkeypatch.setattr(copying, "_MUCH", 1 << 20)
    data = os.urandom(3 << 20) + b"end"
    (tmp_path / "source").write_bytes(data)
    crc32 = zlib.crc32(data) ^ (0 if right else 1)
    record = Record(name="a", content=FileSlice(path=str(tmp_path / "source"), size=len(data)), crc32=crc32)
    out = tmp_path / "out.pt"
    for write in (write_archive, replace_archive):
        if right:
            write(str(out), root="r", records=[record])
            assert out.read_bytes() == archive_bytes([Record(name="a", content=data)])
        else:
            with pytest.raises(OtherBytesError):
                write(str(out), root="r", records=[record])
            assert not out.exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "hermpkg-hash"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux copies by itself")
@pytest.mark.parametrize("copies", [0, 3])
@pytest.mark.parametrize("writes", ["the bytes", "others"])
def test_what_the_kernel_copies_is_compared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, copies: int, writes: str
) -> None:
    """It may copy less than it is asked for, and stop; what it wrote need not be what it was given."""
    monkeypatch.setattr(copying, "_MUCH", 1 << 20)
    data = os.urandom(3 << 20) + b"end"
    (tmp_path / "source").write_bytes(data)
    places, ends = [], [0]

    def copy(source: int, target: int, size: int, start: int, to: int) -> int:
        if len(places) == copies:
            raise OSError(errno.EXDEV, "no further")
        places.append(start)
        ends.append(start + min(size, 500_000))
        part = os.pread(source, min(size, 500_000), start)
        return os.pwrite(target, part if writes == "the bytes" else bytes(len(part)), to)

    monkeypatch.setattr(os, "copy_file_range", copy)
    record = Record(
        name="a", content=FileSlice(path=str(tmp_path / "source"), size=len(data)), crc32=zlib.crc32(data)
    )
    out = tmp_path / "out.pt"
    if writes == "others" and copies:
        with pytest.raises(OtherBytesError):
            replace_archive(str(out), root="r", records=[record])
        assert not out.exists()
    else:
        replace_archive(str(out), root="r", records=[record])
        assert out.read_bytes() == archive_bytes([Record(name="a", content=data)])
    assert len(places) == copies
    assert places == ends[:copies]


@pytest.mark.parametrize("kernel", ["all", "some", "none"])
@pytest.mark.parametrize("wrong", [None, 0, 1, 2])
def test_large_files_are_copied_in_steps_on_all_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kernel: str, wrong: int | None
) -> None:
    """Steps end in any order, and each file is compared as a whole, wherever the other bytes are in it."""
    monkeypatch.setattr(copying, "_STEP", 100_000)
    monkeypatch.setattr("hermpkg_build.disk.all_cores.cores", lambda: 3)
    chance = random.Random(kernel)
    copy = getattr(os, "copy_file_range", None)

    def some(source: int, target: int, size: int, start: int, to: int) -> int:
        assert copy is not None
        if kernel == "none" or chance.random() < 0.3:
            raise OSError(errno.EXDEV, "not here")
        return copy(source, target, chance.randint(1, size), start, to)

    if copy is not None and kernel != "all":
        monkeypatch.setattr(os, "copy_file_range", some)
    contents = [chance.randbytes(size) for size in (300_000, 900_001, 262_145)]
    records, expected = [], []
    for number, content in enumerate(contents):
        source, name = tmp_path / f"source {number}", f".data/{number}.storage"
        changed = bytearray(content)
        changed[chance.randrange(len(content))] ^= number == wrong
        source.write_bytes(b"before it" + changed)
        piece = FileSlice(path=str(source), offset=9, size=len(content))
        records += [Record(name=name, content=piece, crc32=zlib.crc32(content))]
        expected += [Record(name=name, content=content)]
        records += [small := Record(name=f"small {number}", content=b"between them")]
        expected += [small]
    out = tmp_path / "out.pt"
    if wrong is None:
        replace_archive(str(out), root="r", records=records)
        assert out.read_bytes() == archive_bytes(expected)
    else:
        with pytest.raises(OtherBytesError) as raised:
            replace_archive(str(out), root="r", records=records)
        assert dict(raised.value.facts)["file"].endswith(f"source {wrong}")
        assert not out.exists()


def test_a_copy_in_any_steps_is_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system may read and write fewer bytes than it is asked for."""
    records = some_records(tmp_path)
    expected = archive_bytes(records)
    readv, some, some_at = os.preadv, os.write, os.pwrite
    monkeypatch.setattr(os, "preadv", lambda file, buffers, at: readv(file, [buffers[0][:1000]], at))
    monkeypatch.setattr(os, "write", lambda file, data: some(file, memoryview(data)[:777]))
    monkeypatch.setattr(os, "pwrite", lambda file, data, at: some_at(file, memoryview(data)[:777], at))
    for write in (write_archive, replace_archive):
        write(str(tmp_path / "out.pt"), root="r", records=records)
        assert (tmp_path / "out.pt").read_bytes() == expected


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux shares parts of files")
@pytest.mark.parametrize("size", [4 << 20, (5 << 20) + 123])
@pytest.mark.parametrize("right", [True, False])
@pytest.mark.parametrize("quick", [True, False])
def test_files_share_bytes_where_the_file_system_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int, right: bool, quick: bool
) -> None:
    """Where this one cannot, a copy stands for the kernel's request."""
    monkeypatch.setattr(copying, "is_quick", lambda: quick)
    fcntl = pytest.importorskip("fcntl")
    shared: list[int] = []

    def clone(target: int, request: int, argument: bytes) -> int:
        source, offset, count, position = struct.unpack("qQQQ", argument)
        assert (request, offset % 4096, count % 4096, position % 4096) == (0x4020940D, 0, 0, 0)
        assert os.pwrite(target, os.pread(source, count, offset), position) == count
        shared.append(count)
        return 0

    monkeypatch.setattr(fcntl, "ioctl", clone)
    data = os.urandom(size)
    source = tmp_path / "source"
    source.write_bytes(data)
    crc32 = zlib.crc32(data) ^ (0 if right else 1)
    records = [
        Record(name="a", content=b"small"),
        Record(name="b", content=FileSlice(path=str(source), size=size), crc32=crc32),
        Record(name="c", content=b"behind it"),
    ]
    out = tmp_path / "out.pt"
    monkeypatch.setattr(copying, "_SETTLED_S", -1.0)
    if not right:
        with pytest.raises(OtherBytesError):
            replace_archive(str(out), root="r", records=records)
        return
    replace_archive(str(out), root="r", records=records)
    assert shared == [size - size % 4096]
    assert out.read_bytes() == archive_bytes([*records[:1], Record(name="b", content=data), records[2]])
    # Whoever wants the digest reads the bytes, which the system has in its cache for the source alone.
    write_archive(str(out), root="r", records=records)
    monkeypatch.setattr(copying, "_SETTLED_S", 60.0)
    replace_archive(str(out), root="r", records=records)
    assert len(shared) == 1


def test_without_unnamed_files_it_works_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    out = tmp_path / "out.pt"
    write_archive(str(out), root="r", records=[Record(name="a", content=b"1")])
    with pytest.raises(ActionError):
        write_archive(
            str(out), root="r", records=[Record(name="a", content=FileSlice(path="/none", size=1), crc32=0)]
        )
    assert os.listdir(tmp_path) == ["out.pt"]
    assert zipfile.ZipFile(out).read("r/a") == b"1"


def test_a_given_checksum_is_not_computed_again(tmp_path: Path) -> None:
    crc32 = zlib.crc32(b"other bytes")
    data = archive_bytes([Record(name="a", content=b"some bytes", crc32=crc32)])
    assert ArchiveReader(data).entry("a").crc32 == crc32


def test_the_limit_of_open_files_is_no_limit_of_records(tmp_path: Path) -> None:
    source = sparse(tmp_path / "source", 300 << 10)
    # In a process of its own: nobody knows how many files this one has open.
    script = textwrap.dedent("""
        import resource, sys
        from hermpkg_build.archive.writer import *
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        source = FileSlice(path=sys.argv[2], size=300 << 10)
        records = [Record(name=f"{i}", content=source) for i in range(100)]
        write_archive(sys.argv[1], root="r", records=records)
    """)
    subprocess.run([sys.executable, "-c", script, tmp_path / "out.pt", source.path], check=True)
    assert len(zipfile.ZipFile(tmp_path / "out.pt").namelist()) == 100
