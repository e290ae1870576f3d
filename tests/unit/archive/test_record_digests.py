"""Records that are read on all cores are as those that are read one by one."""

from __future__ import annotations

import hashlib
import io
import os
import zlib
from pathlib import Path

import pytest

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.record_digests import digest_records
from hermpkg_build.archive.writer import Record, stream_archive
from hermpkg_build.disk import all_cores
from hermpkg_build.errors import ArchiveError

CONTENTS = {f"{number}.txt": bytes([number % 256]) * (number * 37) for number in range(300)}


def archive(contents: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    stream_archive(stream, root="r", records=[Record(name=n, content=c) for n, c in contents.items()])
    return stream.getvalue()


@pytest.mark.parametrize("cores", [1, 3])
def test_digests_come_in_the_order_of_the_names(monkeypatch: pytest.MonkeyPatch, cores: int) -> None:
    monkeypatch.setattr(all_cores, "cores", lambda: cores)
    names = list(CONTENTS)[::-1]
    with ArchiveReader(archive(CONTENTS)) as reader:
        found = digest_records(reader, names)
    assert [digest.name for digest in found] == names
    for name, sha256, crc32, problem in found:
        assert (sha256, crc32) == (hashlib.sha256(CONTENTS[name]).hexdigest(), zlib.crc32(CONTENTS[name]))
        assert problem is None


def test_what_cannot_be_read_is_told_and_the_rest_is_read() -> None:
    data = bytearray(archive(CONTENTS))
    with ArchiveReader(bytes(data)) as reader:
        header = reader.entry("7.txt").offset - 64
        data[data.rindex(b"PK\x03\x04", 0, header + 64)] = 0
    with ArchiveReader(bytes(data)) as reader:
        problems = {digest.name: digest.problem for digest in digest_records(reader, reader.names())}
    assert [name for name, problem in problems.items() if problem is not None] == ["7.txt"]


def test_a_large_record_with_other_bytes_is_an_error_when_all_is_compared() -> None:
    contents = {"a": bytes(100_000), "b": bytes(200_000)}
    data = bytearray(archive(contents))
    listed = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    with ArchiveReader(bytes(data)) as reader:
        assert list(reader.hashes(listed)) == list(listed.values())
        place = reader.entry("b").offset
    data[place + 5] ^= 1
    with ArchiveReader(bytes(data)) as reader, pytest.raises(ArchiveError, match="checksum"):
        list(reader.hashes(listed))


def test_what_a_file_has_lost_meanwhile_is_not_hashed_from_what_was_read_before(tmp_path: Path) -> None:
    path, contents = tmp_path / "a.pt", {"zeros": bytes(5 << 20)}
    path.write_bytes(archive(contents))
    with ArchiveReader(path) as reader:
        ((_, whole, _, _),) = digest_records(reader, contents)
        os.truncate(path, reader.entry("zeros").offset + (3 << 20) + 5)
        ((_, cut_off, _, _),) = digest_records(reader, contents)
        pieces = b"".join(map(bytes, reader.pieces("zeros", memoryview(bytearray(1000)))))
    assert whole == hashlib.sha256(contents["zeros"]).hexdigest()
    assert cut_off == hashlib.sha256(bytes((3 << 20) + 5)).hexdigest()
    assert pieces == bytes((3 << 20) + 5)
