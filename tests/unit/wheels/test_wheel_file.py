"""Files added to wheels and source distributions: all that was there stays as it was."""

from __future__ import annotations

import base64
import csv
import gzip
import hashlib
import io
import os
import tarfile
import zipfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.wheels.builds import WheelError
from hermpkg_build.wheels.source_archive import add_to_source_archive
from hermpkg_build.wheels.wheel_file import add_to_wheel

RECORD = "acme-1.dist-info/RECORD"
DATE = (2020, 2, 2, 2, 2, 2)
NAMES = st.from_regex(r"[a-zä]{1,3}(/[a-z,\" ]{1,3}){0,2}", fullmatch=True)
FILES = st.dictionaries(NAMES, st.binary(max_size=300), max_size=4)


def row(name: str, data: bytes) -> list[str]:
    """The row of RECORD for a file."""
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).rstrip(b"=").decode()
    return [name, f"sha256={digest}", str(len(data))]


def write_wheel(
    path: Path, files: dict[str, bytes], *, streamed: bool, stored: bool, record_first: bool
) -> None:
    """Write a wheel as one of the tools does: with sizes after the data or before it, packed or not."""
    listing = io.StringIO()
    csv.writer(listing, lineterminator="\n").writerows(
        [*(row(*each) for each in files.items()), [RECORD, "", ""]]
    )
    record = (RECORD, listing.getvalue().encode())
    entries = [record, *files.items()] if record_first else [*files.items(), record]

    class Pipe(io.RawIOBase):
        def __init__(self, file):
            self.file = file

        def writable(self):
            return True

        def write(self, data):
            return self.file.write(data)

    with (
        open(path, "wb") as file,
        zipfile.ZipFile(Pipe(file) if streamed else file, "w") as wheel,
    ):
        for name, data in entries:
            info = zipfile.ZipInfo(name, DATE)
            info.external_attr = 0o100755 << 16
            info.compress_type = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            wheel.writestr(info, data)


@settings(max_examples=40)
@given(FILES, FILES, st.booleans(), st.booleans(), st.booleans())
def test_a_wheel_keeps_what_it_has(tmp_path_factory, had, added, streamed, stored, record_first):
    folder = tmp_path_factory.mktemp("wheel")
    had = {name: data for name, data in had.items() if not any(other.startswith(f"{name}/") for other in had)}
    write_wheel(folder / "old.whl", had, streamed=streamed, stored=stored, record_first=record_first)
    paths = {}
    for number, (name, data) in enumerate(added.items()):
        (folder / str(number)).write_bytes(data)
        paths[name] = str(folder / str(number))
    add_to_wheel(str(folder / "old.whl"), str(folder / "new.whl"), paths)
    with zipfile.ZipFile(folder / "old.whl") as old, zipfile.ZipFile(folder / "new.whl") as new:
        assert new.testzip() is None
        assert {name: new.read(name) for name in new.namelist() if name != RECORD} == {**had, **added}
        assert len(new.namelist()) == len({*new.namelist()})
        assert new.namelist()[-1] == RECORD
        for name in had.keys() - added.keys():
            assert packed(folder / "new.whl", new, name) == packed(folder / "old.whl", old, name)
            assert new.getinfo(name).external_attr == old.getinfo(name).external_attr
        assert all(info.date_time == DATE for info in new.infolist())
        rows = [*csv.reader(io.StringIO(new.read(RECORD).decode()))]
    assert rows[-1] == [RECORD, "", ""]
    assert sorted(rows[:-1]) == sorted(row(name, data) for name, data in {**had, **added}.items())


def packed(path: Path, wheel: zipfile.ZipFile, name: str) -> bytes:
    """The bytes of an entry, from its header to the next one's."""
    info = wheel.getinfo(name)
    starts = sorted([*(each.header_offset for each in wheel.infolist()), wheel.start_dir])
    end = next(start for start in starts if start > info.header_offset)
    return path.read_bytes()[info.header_offset : end]


@settings(max_examples=20)
@given(FILES)
def test_adding_nothing_changes_nothing(tmp_path_factory, files):
    folder = tmp_path_factory.mktemp("wheel")
    files = {
        name: data for name, data in files.items() if not any(each.startswith(f"{name}/") for each in files)
    }
    write_wheel(folder / "old.whl", files, streamed=False, stored=False, record_first=False)
    add_to_wheel(str(folder / "old.whl"), str(folder / "new.whl"), {})
    with zipfile.ZipFile(folder / "old.whl") as old, zipfile.ZipFile(folder / "new.whl") as new:
        assert [(name, old.read(name)) for name in old.namelist()] == [
            (name, new.read(name)) for name in new.namelist()
        ]


@pytest.mark.parametrize("data", [b"", b"no ZIP at all", b"PK\x05\x06" + bytes(18)])
def test_what_is_no_wheel(tmp_path, data):
    (tmp_path / "old.whl").write_bytes(data)
    with pytest.raises(WheelError):
        add_to_wheel(str(tmp_path / "old.whl"), str(tmp_path / "new.whl"), {})
    assert not (tmp_path / "new.whl").exists()


def write_source(path: Path, files: dict[str, bytes]) -> None:
    """Write a source distribution, with a time in its gzip header and in its entries."""
    with (
        open(path, "wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=1234) as packed_file,
        tarfile.open(mode="w", fileobj=packed_file) as archive,
    ):
        for name, data in files.items():
            entry = tarfile.TarInfo(f"acme-1/{name}")
            entry.size, entry.mtime, entry.mode = len(data), 99, 0o755
            archive.addfile(entry, io.BytesIO(data))


@settings(max_examples=30)
@given(FILES, FILES)
def test_a_source_distribution_keeps_what_it_has(tmp_path_factory, had, added):
    folder = tmp_path_factory.mktemp("source")
    write_source(folder / "old.tar.gz", {"PKG-INFO": b"", **had, "hermpkg-out/art.pt": b"built"})
    for number, data in enumerate(added.values()):
        (folder / f"{number} ü").write_bytes(data)
    names = [f"{number} ü" for number in range(len(added))]
    add_to_source_archive(
        str(folder / "old.tar.gz"), str(folder / "new.tar.gz"), str(folder), [*names, "PKG-INFO"]
    )
    with tarfile.open(folder / "new.tar.gz") as archive:
        members = archive.getmembers()
        found = {member.name: archive.extractfile(member).read() for member in members}
        assert {member.mtime for member in members} == {99}
    expected = {"PKG-INFO": b"", **had, **dict(zip(names, added.values(), strict=True))}
    assert found == {f"acme-1/{name}": data for name, data in expected.items()}
    assert (folder / "new.tar.gz").read_bytes()[4:8] == (1234).to_bytes(4, "little")
    again = folder / "again.tar.gz"
    add_to_source_archive(str(folder / "new.tar.gz"), str(again), str(folder), [])
    assert again.read_bytes() == (folder / "new.tar.gz").read_bytes()


def test_what_is_no_source_distribution(tmp_path):
    for data in (b"", b"no gzip", gzip.compress(b"no tar", mtime=0)):
        (tmp_path / "old.tar.gz").write_bytes(data)
        with pytest.raises(WheelError):
            add_to_source_archive(str(tmp_path / "old.tar.gz"), os.devnull, str(tmp_path), [])
