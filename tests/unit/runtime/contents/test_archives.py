"""What an importer can be opened from, and the typed errors for everything else."""

from __future__ import annotations

import io
import pathlib
import zipfile

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.errors import ArchiveError

FILES = {"mod.py": "value = 1\n", "res/a.txt": "a"}


def test_paths_streams_and_bytes(artifact) -> None:
    path = artifact(FILES)
    data = pathlib.Path(path).read_bytes()
    with open(path, "rb") as stream:
        for source in (path, pathlib.Path(path), stream, io.BytesIO(data), data, bytearray(data)):
            with PackageImporter(source) as importer:
                assert importer.import_module("mod").value == 1
                assert importer.load_text("res", "a.txt") == "a"
    assert PackageImporter(path).filename == path
    assert str(PackageImporter(io.BytesIO(data)).file_structure()).startswith("─── <binary>\n")


def test_a_stream_stays_its_owners(artifact) -> None:
    stream = io.BytesIO(pathlib.Path(artifact(FILES)).read_bytes())
    with PackageImporter(stream) as importer:
        stream.seek(0)
        stream.truncate()
        assert importer.load_text("res", "a.txt") == "a"


def test_a_missing_file_is_both_kinds_of_error(tmp_path) -> None:
    for kind in (ArchiveError, FileNotFoundError):
        with pytest.raises(kind, match=r"none\.pt"):
            PackageImporter(tmp_path / "none.pt")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + b"\0" * 60])
def test_what_is_no_archive(tmp_path, content: bytes) -> None:
    path = tmp_path / "bad.pt"
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match=r"bad\.pt"):
        PackageImporter(path)
    with pytest.raises(ArchiveError):
        PackageImporter(io.BytesIO(content))


def test_every_way_to_cut_an_archive_short(artifact) -> None:
    data = pathlib.Path(artifact(FILES)).read_bytes()
    for size in range(len(data)):
        with pytest.raises(ArchiveError):
            PackageImporter(data[:size])


def test_a_flipped_byte_is_an_error_when_the_record_is_read(artifact) -> None:
    data = bytearray(pathlib.Path(artifact({"mod.py": "value = 1  # marker\n"})).read_bytes())
    data[data.index(b"marker")] ^= 1
    importer = PackageImporter(data)
    with pytest.raises(ArchiveError, match="checksum"):
        importer.import_module("mod")


@pytest.mark.parametrize("source", [None, 3, io.StringIO("text"), object()])
def test_what_is_neither_path_nor_binary_stream(source: object) -> None:
    with pytest.raises(TypeError, match="a path or a binary stream"):
        PackageImporter(source)


@pytest.mark.parametrize("version", ["99", "0", "six", "-1", "", "1" * 5000])
def test_unknown_format_versions(artifact, version: str) -> None:
    with pytest.raises(ArchiveError, match="format") as error:
        PackageImporter(artifact({".data/version": f"{version}\n"}))
    assert ("version", version[:80]) in error.value.facts


def test_a_list_of_externs_that_is_no_text(artifact) -> None:
    with pytest.raises(ArchiveError, match="is not text"):
        PackageImporter(artifact({".data/extern_modules": b"\xff\xfe"}))


def test_an_archive_that_is_no_package(tmp_path) -> None:
    path = tmp_path / "state.pt"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("state/version", "3\n")
        file.writestr("state/data.pkl", b"")
    with pytest.raises(ArchiveError, match=r"torch\.load reads"):
        PackageImporter(path)


def test_an_empty_folder_is_no_package(tmp_path) -> None:
    with pytest.raises(ArchiveError, match=r"\.data"):
        PackageImporter(tmp_path)


@pytest.mark.parametrize("options", [{"check": "maybe"}, {"verify": "maybe"}])
def test_unknown_options(artifact, options: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="not 'maybe'"):
        PackageImporter(artifact(FILES), **options)


@pytest.mark.parametrize("name", [".".join("a" * 30_000), "a" * 5_000])
def test_names_of_extern_modules_have_a_bound(artifact, name) -> None:
    path = artifact(FILES, externs=[name])
    with pytest.raises(ArchiveError, match="too long"):
        PackageImporter(path)
