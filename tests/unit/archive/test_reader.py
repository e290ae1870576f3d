"""Archives as they are read: ours, edited ones, damaged ones, and what is no archive at all."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from hermpkg_build.archive import archive_file
from hermpkg_build.archive.pieces import PIECE
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import FileSlice, Record, stream_archive, write_archive
from hermpkg_build.errors import ArchiveError

CONTENTS = {
    ".data/version": b"6\n",
    ".data/0.storage": bytes(range(256)) * 40,
    "models/größe.py": "x = 'é'\n".encode() * 50,
    "empty.txt": b"",
}


def archive_bytes(contents: dict[str, bytes] = CONTENTS, root: str = "r") -> bytes:
    stream = io.BytesIO()
    stream_archive(stream, root=root, records=[Record(name=n, content=c) for n, c in contents.items()])
    return stream.getvalue()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "an archive.pt"
    path.write_bytes(archive_bytes())
    return path


def contents_of(reader: ArchiveReader) -> dict[str, bytes]:
    return {name: reader.read(name) for name in reader.names()}


def test_a_stream_in_memory_stays_its_owners() -> None:
    stream = io.BytesIO(archive_bytes())
    with ArchiveReader(stream) as reader:
        stream.seek(0)
        stream.truncate()
        stream.write(b"something else that is longer than the archive" * 1000)
        assert contents_of(reader) == CONTENTS


@pytest.mark.parametrize(
    "open_as",
    [
        str,
        lambda path: path,
        lambda path: path.read_bytes(),
        lambda path: bytearray(path.read_bytes()),
        lambda path: memoryview(path.read_bytes()),
        lambda path: io.BytesIO(path.read_bytes()),
        lambda path: path.open("rb"),
    ],
    ids=["str", "PathLike", "bytes", "bytearray", "memoryview", "BytesIO", "file"],
)
def test_every_kind_of_source(path: Path, open_as: Callable[[Path], object]) -> None:
    source = open_as(path)
    with ArchiveReader(source) as reader:  # type: ignore[arg-type]
        assert reader.root == "r"
        assert contents_of(reader) == CONTENTS
        assert reader.has("empty.txt")
        assert not reader.has("r/empty.txt")
        for name, data in CONTENTS.items():
            assert reader.view(name) == data
            assert reader.view(name).readonly
            assert reader.entry(name).size == len(data)
            assert reader.entry(name).crc32 == zlib.crc32(data)
            reader.sha256(name)
    if isinstance(source, io.BufferedReader):
        source.close()


def test_views_outlive_the_reader(path: Path) -> None:
    with ArchiveReader(path) as reader:
        view = reader.view(".data/0.storage")
    assert view == CONTENTS[".data/0.storage"]
    with pytest.raises(ArchiveError):
        reader.read(".data/0.storage")


def test_private_views_are_written_to_without_touching_file_or_each_other(path: Path) -> None:
    before = path.read_bytes()
    for source, mapped in ((path, True), (path, False), (path, None), (before, True)):
        with ArchiveReader(source) as reader:
            one, other = reader.private_views(mapped), reader.private_views(mapped)
            first, again, second = (views(".data/0.storage") for views in (one, one, other))
            first[0] = 99
            assert second[0] == 0
            assert reader.view(".data/0.storage")[0] == 0
            if source is path and mapped:
                assert again[0] == 99
        assert first[1:] == CONTENTS[".data/0.storage"][1:]
    assert path.read_bytes() == before


def test_a_private_view_costs_no_memory_until_it_is_touched(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(256 << 20)
    record = Record(name="a", content=FileSlice(path=str(large), size=256 << 20))
    write_archive(str(tmp_path / "out.pt"), root="r", records=[record])
    script = (
        "import resource, sys\n"
        "from hermpkg_build.archive.reader import ArchiveReader\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "view = ArchiveReader(sys.argv[1]).private_views()('a')\n"
        "view[0], view[-1] = 1, 2\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, len(view))\n"
    )
    arguments = [sys.executable, "-c", script, tmp_path / "out.pt"]
    result = subprocess.run(arguments, capture_output=True, text=True, check=True)
    grown, size = result.stdout.split()
    assert int(size) == 256 << 20
    assert int(grown) * (1 if sys.platform == "darwin" else 1024) < 20 << 20


def test_a_replaced_file_does_not_disturb_a_reader(path: Path) -> None:
    with ArchiveReader(path) as reader:
        write_archive(str(path), root="r", records=[Record(name="other", content=b"1")])
        assert contents_of(reader) == CONTENTS
        assert reader.private_views()(".data/0.storage") == CONTENTS[".data/0.storage"]


def zip_again(path: Path, **options: object) -> None:
    """Pack the records again with zipfile, in the opposite order, with folders and a comment."""
    with zipfile.ZipFile(path) as archive:
        contents = {name: archive.read(name) for name in reversed(archive.namelist())}
    with zipfile.ZipFile(path, "w", **options) as archive:  # type: ignore[call-overload]
        archive.mkdir("r/models") if hasattr(archive, "mkdir") else archive.writestr("r/models/", "")
        for name, data in contents.items():
            archive.writestr(name, data)
        archive.comment = b"PK\5\6 edited by hand"


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_packed_again_by_zipfile(path: Path, compression: int) -> None:
    zip_again(path, compression=compression)
    with ArchiveReader(path) as reader:
        assert contents_of(reader) == CONTENTS
        assert reader.view("models/größe.py") == CONTENTS["models/größe.py"]
        assert reader.private_views()(".data/0.storage") == CONTENTS[".data/0.storage"]


def test_an_archive_appended_to_with_a_second_record_of_one_name(path: Path) -> None:
    with (
        zipfile.ZipFile(path, "a") as archive,
        pytest.warns(UserWarning, match="Duplicate name"),
    ):
        archive.writestr("r/empty.txt", "no longer")
    with ArchiveReader(path) as reader, zipfile.ZipFile(path) as archive:
        assert reader.read("empty.txt") == archive.read("r/empty.txt") == b"no longer"
        assert reader.duplicates == ("empty.txt",)


def test_an_archive_written_to_a_pipe_has_data_descriptors() -> None:
    class Pipe(io.RawIOBase):
        def __init__(self) -> None:
            self.data = bytearray()

        def writable(self) -> bool:
            return True

        def write(self, data: object) -> int:
            self.data += data  # type: ignore[operator]
            return len(data)  # type: ignore[arg-type]

    pipe = Pipe()
    with zipfile.ZipFile(pipe, "w", zipfile.ZIP_DEFLATED) as archive:  # type: ignore[arg-type]
        for name, data in CONTENTS.items():
            archive.writestr(f"r/{name}", data)
    with ArchiveReader(pipe.data) as reader:
        assert contents_of(reader) == CONTENTS


needs_zip = pytest.mark.skipif(not shutil.which("zip") or not shutil.which("unzip"), reason="needs Info-ZIP")


@pytest.fixture(autouse=True)
def letters_of_all_kinds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Info-ZIP takes the names of files for text in the encoding of the locale."""
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@needs_zip
@pytest.mark.parametrize("level", ["-0", "-9"])
def test_an_archive_unpacked_and_zipped_again(path: Path, tmp_path: Path, level: str) -> None:
    subprocess.run(["unzip", "-qq", path, "-d", tmp_path / "out"], check=True)
    subprocess.run(["zip", "-qr", level, "../again.pt", "r"], cwd=tmp_path / "out", check=True)
    with ArchiveReader(tmp_path / "again.pt") as reader:
        assert contents_of(reader) == CONTENTS


@needs_zip
def test_an_archive_zipped_again_without_its_root_folder(path: Path, tmp_path: Path) -> None:
    subprocess.run(["unzip", "-qq", path, "-d", tmp_path / "out"], check=True)
    subprocess.run(["zip", "-qr", "../../again.pt", "."], cwd=tmp_path / "out" / "r", check=True)
    with ArchiveReader(tmp_path / "again.pt") as reader:
        assert reader.root == ""
        assert contents_of(reader) == CONTENTS


@needs_zip
def test_an_archive_that_zip_added_to_and_deleted_from(path: Path, tmp_path: Path) -> None:
    (tmp_path / "r" / "models").mkdir(parents=True)
    (tmp_path / "r" / "models" / "added.py").write_text("y = 1\n")
    (tmp_path / "notes.txt").write_text("mine\n")
    for arguments in (["-q", path, "r/models/added.py", "notes.txt"], ["-qd", path, "r/empty.txt"]):
        subprocess.run(["zip", *arguments], cwd=tmp_path, check=True)
    with ArchiveReader(path) as reader:
        assert reader.root == "r"
        assert reader.read("models/added.py") == b"y = 1\n"
        assert not reader.has("empty.txt")
        assert reader.strays == ("notes.txt",)


@needs_zip
def test_an_archive_edited_in_vim(path: Path) -> None:
    # What vim's zip plugin runs when a record is written: zip -u on the archive.
    folder = path.parent / "edit" / "r" / "models"
    folder.mkdir(parents=True)
    (folder / "größe.py").write_text("edited = 1\n")
    subprocess.run(["zip", "-qu", path, "r/models/größe.py"], cwd=path.parent / "edit", check=True)
    with ArchiveReader(path) as reader:
        assert reader.read("models/größe.py") == b"edited = 1\n"


def test_bytes_before_the_archive_are_skipped(path: Path) -> None:
    path.write_bytes(b"#!/bin/sh\nexit 1\n" + path.read_bytes())
    with ArchiveReader(path) as reader:
        assert reader.prefix == 17
        assert contents_of(reader) == CONTENTS
        assert reader.private_views()(".data/0.storage") == CONTENTS[".data/0.storage"]


@pytest.mark.parametrize("name", ["r/.data/version", "r/version"])
def test_the_root_is_where_the_version_is(name: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("README", "hello")
        archive.writestr("r/a.py", "a = 1")
        archive.writestr(name, "6")
    with ArchiveReader(stream) as reader:
        assert reader.root == "r"
        assert reader.read("a.py") == b"a = 1"


def test_a_flipped_byte_names_file_record_and_both_checksums(path: Path) -> None:
    data = bytearray(path.read_bytes())
    with ArchiveReader(path) as reader:
        offset = reader.entry(".data/0.storage").offset
    data[offset + 100] ^= 1
    path.write_bytes(data)
    with ArchiveReader(path) as reader:
        for read in (reader.read, reader.sha256):
            with pytest.raises(ArchiveError, match="do not match their checksum") as caught:
                read(".data/0.storage")
            facts = dict(caught.value.facts)
            assert facts["file"] == str(path)
            assert facts["record"] == ".data/0.storage"
            assert facts["expected"] == f"CRC-32 {zlib.crc32(CONTENTS['.data/0.storage']):08x}"
            assert facts["found"] == f"CRC-32 {zlib.crc32(data[offset : offset + 10240]):08x}"
        assert reader.read("models/größe.py") == CONTENTS["models/größe.py"]


def test_what_is_no_archive(tmp_path: Path) -> None:
    cases = {
        "empty": b"",
        "text": b"hello world",
        "elf": b"\x7fELF" + bytes(100),
        "pickle": b"\x80\x02}q\x00.",
    }
    for name, data in cases.items():
        path = tmp_path / name
        path.write_bytes(data)
        with pytest.raises(ArchiveError) as caught:
            ArchiveReader(path)
        assert ("file", str(path)) in caught.value.facts
        assert ("empty" if not data else "not a ZIP archive") in caught.value.summary


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for name, word in (
        ("none", "there is no such file"),
        ("fifo", "device, pipe or socket"),
        (".", "a folder"),
    ):
        with pytest.raises(ArchiveError, match=word):
            ArchiveReader(tmp_path / name)


def test_a_cut_archive_says_so(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(ArchiveError, match="cut off") as caught:
        ArchiveReader(path)
    assert caught.value.next_step


@pytest.mark.parametrize("name", ["r/../../etc/passwd", "/etc/passwd", "r\\evil", "r/./a", "r//a"])
def test_names_that_lead_elsewhere(name: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("r/.data/version", "6")
        archive.writestr(name, "x")
    with pytest.raises(ArchiveError, match="name that is not allowed") as caught:
        ArchiveReader(stream)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize(("method", "word"), [(zipfile.ZIP_BZIP2, "bzip2"), (zipfile.ZIP_LZMA, "lzma")])
def test_other_compressions_are_named(method: int, word: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("r/.data/version", "6")
        archive.writestr("r/a", "x" * 100, method)
    with ArchiveReader(stream) as reader:
        assert reader.read(".data/version") == b"6"
        with pytest.raises(ArchiveError, match=word):
            reader.read("a")


@needs_zip
def test_an_encrypted_record_is_named(path: Path, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "secret").write_text("psst")
    subprocess.run(["zip", "-q", "-P", "word", path, "r/secret"], cwd=tmp_path, check=True)
    with ArchiveReader(path) as reader, pytest.raises(ArchiveError, match="encrypted"):
        reader.read("secret")


@needs_zip
def test_a_symbolic_link_is_no_content(path: Path, tmp_path: Path) -> None:
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "link").symlink_to("/etc/passwd")
    subprocess.run(["zip", "-qy", path, "r/link"], cwd=tmp_path, check=True)
    with ArchiveReader(path) as reader, pytest.raises(ArchiveError, match="symbolic link"):
        reader.read("link")


def deflated(data: bytes) -> bytearray:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("r/a", data)
    return bytearray(stream.getvalue())


@pytest.mark.parametrize("claimed", [10, 9_999, 10_001, 4_000_000_000])
def test_a_record_that_unpacks_to_another_size(claimed: int) -> None:
    data = deflated(b"x" * 10_000)
    central = data.rindex(b"PK\1\2")
    data[central + 24 : central + 28] = claimed.to_bytes(4, "little")
    with (
        ArchiveReader(data) as reader,
        pytest.raises(ArchiveError, match=r"size is not|sizes contradict"),
    ):
        reader.read("a")


def test_a_deflated_record_comes_in_pieces() -> None:
    content = bytes(range(256)) * 10_000
    with ArchiveReader(deflated(content)) as reader:
        pieces = [bytes(piece) for piece in reader.pieces("a")]
        assert {len(piece) for piece in pieces[:-1]} == {PIECE}
        assert b"".join(pieces) == reader.read("a") == content
        reader.sha256("a")


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of memory is not known here")
def test_what_a_few_bytes_unpack_to_is_never_in_memory_as_a_whole() -> None:
    program = """
        import io, re, zipfile
        from hermpkg_build.archive.reader import ArchiveReader

        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            with archive.open("r/a", "w") as file:
                for _ in range(256):
                    file.write(bytes(1 << 20))
        with ArchiveReader(stream) as reader:
            reader.sha256("a")
            assert reader.entry("a").is_inflated
        print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]))
    """
    words = [sys.executable, "-c", textwrap.dedent(program)]
    assert int(subprocess.run(words, capture_output=True, text=True, check=True).stdout) < 100 << 10


@pytest.mark.parametrize(
    ("record", "most"),
    [
        (".data/version", 64 << 10),
        (".data/python_version", 64 << 10),
        ("byteorder", 64 << 10),
        (".data/extern_modules", 4 << 20),
        (".data/hermpkg/manifest.json", (16 << 20) + (2 << 10)),
    ],
)
def test_records_that_are_read_on_opening_have_a_bound(record: str, most: int) -> None:
    def read(size: int) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(f"r/{record}", bytes(size))
        with ArchiveReader(stream) as reader:
            return reader.read(record)

    assert len(read(most)) == most
    with pytest.raises(ArchiveError, match="too large"):
        read(most + 1)


@pytest.mark.parametrize("name", ["a/" * 255 + "b", "x" * 5_000])
def test_names_have_a_bound(name: str) -> None:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr(f"r/{name}", b"")
    with pytest.raises(ArchiveError, match="not allowed"):
        ArchiveReader(stream)


def test_records_that_overlap() -> None:
    """The trick of the smallest bombs: many directory entries for one piece of compressed bytes."""
    data = bytes(deflated(b"x" * 10_000))
    central, end = data.rindex(b"PK\1\2"), data.rindex(b"PK\5\6")
    entry, tail = data[central:end], bytearray(data[end:])
    tail[8:12] = (2).to_bytes(2, "little") * 2
    tail[12:16] = (2 * len(entry)).to_bytes(4, "little")
    with pytest.raises(ArchiveError, match="overlap"):
        ArchiveReader(data[:central] + entry * 2 + bytes(tail))


def test_a_record_that_is_not_there(path: Path) -> None:
    with ArchiveReader(path) as reader:
        for read in (reader.read, reader.view, reader.entry, reader.sha256, reader.private_views()):
            with pytest.raises(ArchiveError, match="no such record"):
                read("none")


def test_a_file_that_shrinks_while_it_is_open(path: Path) -> None:
    with ArchiveReader(path) as reader:
        reader.entry(".data/0.storage")
        os.truncate(path, 10)
        for read in (
            reader.entry,
            reader.read,
            reader.sha256,
            reader.private_views(True),
            reader.private_views(),
        ):
            for name in ("models/größe.py", ".data/0.storage"):
                if (read, name) != (reader.entry, ".data/0.storage"):
                    with pytest.raises(ArchiveError, match="was written over or"):
                        read(name)


@pytest.mark.parametrize("mapped", [True, False])
def test_a_file_that_is_written_over_while_it_is_open(path: Path, mapped: bool) -> None:
    with ArchiveReader(path) as reader:
        views = reader.private_views(mapped)
        before = bytes(views(".data/0.storage"))
        os.utime(path, ns=(1, 1))
        assert views(".data/0.storage") == before
        other = archive_bytes({**CONTENTS, ".data/0.storage": bytes(len(before)), "models/größe.py": b"#"})
        path.write_bytes(other)
        for read in (views, reader.read):
            with pytest.raises(ArchiveError, match="was written over or"):
                read(".data/0.storage")


def test_what_no_single_call_reads_is_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_file, "_MOST_AT_ONCE", 7)
    with ArchiveReader(path) as reader:
        assert {name: reader.read(name) for name in reader.names()} == CONTENTS


def test_a_released_file_is_opened_again_as_long_as_it_is_the_same(path: Path) -> None:
    reader = ArchiveReader(path)
    reader.release()
    opened = [os.readlink(entry) for entry in Path("/proc/self/fd").glob("*") if entry.is_symlink()]
    assert str(path) not in opened
    name = "models/größe.py"
    assert reader.read(name) == bytes(reader.view(name)) == CONTENTS[name]
    assert reader.private_views()(".data/0.storage") == CONTENTS[".data/0.storage"]
    os.utime(path, ns=(1, 1))
    assert reader.read(name) == CONTENTS[name]
    path.write_bytes(archive_bytes({**CONTENTS, name: CONTENTS[name][::-1]}))
    with pytest.raises(ArchiveError, match="written over or replaced"):
        reader.read(name)
    path.unlink()
    with pytest.raises(ArchiveError, match="cannot be read any more"):
        reader.read(name)


@pytest.mark.skipif(not os.path.exists("/proc/self/smaps"), reason="no /proc")
def test_finding_records_takes_no_memory_of_the_mapping(tmp_path: Path) -> None:
    path = tmp_path / "large.pt"
    storages = {f".data/{number}.storage": bytes(1 << 18) for number in range(64)}
    path.write_bytes(archive_bytes({".data/version": b"6\n", **storages}))
    with ArchiveReader(path) as reader:
        before, views = resident(path), reader.private_views()
        assert all(len(views(name)) == 1 << 18 for name in storages)
        assert resident(path) == before


def resident(path: Path) -> int:
    """The KiB of the mappings of a file that are in memory."""
    mappings = Path("/proc/self/smaps").read_text().split(str(path))[1:]
    return sum(int(mapping.split("Rss:")[1].split()[0]) for mapping in mappings)


def test_reading_needs_only_the_standard_library() -> None:
    script = (
        "import sys\nbefore = set(sys.modules)\nimport hermpkg_build.archive.reader\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before} - {'hermpkg_build'}\n"
        "unwanted = {'zipfile', 'hashlib', 'json'} & set(sys.modules) - before\n"
        "print(sorted(new - sys.stdlib_module_names), unwanted)"
    )
    result = subprocess.run(
        [sys.executable, "-S", "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": os.getcwd()},
    )
    assert result.stdout.split() == ["[]", "set()"]
