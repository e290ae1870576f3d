"""Whatever is read of an artifact was compared with its manifest: what opening does not, reading does."""

from __future__ import annotations

import importlib.resources
import io
import multiprocessing
import pickle
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.archive.layout import MANIFEST
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import EntryLines, Manifest
from hermpkg_build.errors import ArchiveError
from hermpkg_build.inspection.verify.archive import verify_archive
from hermpkg_build.runtime.contents.checks import ArtifactModifiedWarning

MODEL = "class Model:\n    pass\n"


@pytest.fixture
def artifact(tmp_path: Path) -> Path:
    path = tmp_path / "a.pt"
    with PackageExporter(path) as exporter:
        exporter.extern("math")
        exporter.save_source_string("app", "name = 'app'\n", is_package=True)
        exporter.save_source_string("app.model", MODEL)
        exporter.save_source_string("app.other", "import math\nvalue = 1\n")
        exporter.save_text("app", "words.txt", "one two")
        exporter.save_pickle("app", "list.pkl", [1, 2])
    return path


def rewritten(path: Path, edit: Callable[[dict[str, bytes]], None]) -> Path:
    """The archive with other records, each with the checksum of its bytes."""
    with ArchiveReader(str(path)) as reader:
        records = {name: reader.read(name) for name in reader.names()}
    edit(records)
    other = path.with_name("edited.pt")
    made = [Record(name=name, content=data) for name, data in records.items()]
    write_archive(str(other), root="a", records=made)
    return other


def with_other_digest(path: Path, record: str) -> Path:
    """The archive, but the manifest has another digest for a record: all checksums are right."""

    def edit(records: dict[str, bytes]) -> None:
        digest = Digest.of(records[record]).hash.encode()
        assert records[MANIFEST].count(digest) == 1
        records[MANIFEST] = records[MANIFEST].replace(digest, b"0" * 64)

    return rewritten(path, edit)


READS: dict[str, tuple[str, Callable[[PackageImporter], object]]] = {
    "a module": ("app/model.py", lambda i: i.import_module("app.model")),
    "its package": ("app/__init__.py", lambda i: i.import_module("app.model")),
    "a source": ("app/model.py", lambda i: i.get_source("app.model")),
    "a text": ("app/words.txt", lambda i: i.load_text("app", "words.txt")),
    "bytes": ("app/words.txt", lambda i: i.load_binary("app", "words.txt")),
    "a record": ("app/words.txt", lambda i: i.read_record("app/words.txt")),
    "a pickle": ("app/list.pkl", lambda i: i.load_pickle("app", "list.pkl")),
    "tensors": ("app/list.pkl", lambda i: i.load_tensors("app", "list.pkl", strict=False)),
    "a resource": (
        "app/words.txt",
        lambda i: importlib.resources.files(i.import_module("app")).joinpath("words.txt").read_text(),
    ),
    "torch": ("app/other.py", lambda i: i.zip_reader),
}


@pytest.mark.parametrize("way", READS)
def test_whatever_is_read_was_compared(artifact: Path, way: str) -> None:
    record, read = READS[way]
    path = with_other_digest(artifact, record)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        importer = PackageImporter(path)
    with importer:
        with pytest.warns(ArtifactModifiedWarning, match=f"{record} was changed") as caught:
            read(importer)
        assert [Path(each.filename).name for each in caught] == [Path(__file__).name]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            importer.read_record(record)  # Once is enough.
    with PackageImporter(path, verify="off") as importer, warnings.catch_warnings():
        warnings.simplefilter("error")
        read(importer)


@pytest.mark.parametrize("record", [".data/version", ".data/python_version", ".data/extern_modules"])
def test_what_opening_itself_reads_was_compared(artifact: Path, record: str) -> None:
    with pytest.warns(ArtifactModifiedWarning, match=f"{record} was changed"):
        PackageImporter(with_other_digest(artifact, record)).close()


def test_files_that_code_reads_by_their_paths(artifact: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(artifact.parent / "cache"))
    with PackageImporter(with_other_digest(artifact, "app/words.txt"), files="real") as importer:
        with pytest.warns(ArtifactModifiedWarning, match=r"app/words.txt was changed"):
            model = importer.import_module("app.model")
        assert Path(model.__file__).with_name("words.txt").read_text() == "one two"


def test_a_record_that_the_manifest_lacks(artifact: Path) -> None:
    def edit(records: dict[str, bytes]) -> None:
        lines = records[MANIFEST].split(b"\n")
        records[MANIFEST] = b"\n".join(line for line in lines if not line.startswith(b'"app/words.txt":'))

    with (
        PackageImporter(rewritten(artifact, edit)) as importer,
        pytest.warns(ArtifactModifiedWarning, match=r"app/words.txt was added"),
    ):
        importer.load_text("app", "words.txt")


def _add(records: dict[str, bytes]) -> None:
    records["app/new.py"] = b""


def _change(records: dict[str, bytes]) -> None:
    records["app/other.py"] = b"value = 2\n"


def _remove(records: dict[str, bytes]) -> None:
    del records["app/words.txt"]


EDITS = {
    "app/new.py was added": _add,
    "app/other.py was changed": _change,
    "app/words.txt is gone": _remove,
}


@pytest.mark.parametrize("told", EDITS)
def test_edits_are_told_when_it_opens(artifact: Path, told: str) -> None:
    with pytest.warns(ArtifactModifiedWarning, match=told) as caught:
        importer = PackageImporter(rewritten(artifact, EDITS[told]))
    with importer, warnings.catch_warnings():
        warnings.simplefilter("error")
        importer.import_module("app.other")
    assert len(caught) == 1


@pytest.mark.parametrize("files", ["mangled", "real"])
def test_a_damaged_record_is_an_error_when_it_is_read(artifact: Path, files: Any) -> None:
    data = bytearray(artifact.read_bytes())
    data[data.index(b"one two")] ^= 1
    with PackageImporter(io.BytesIO(data), files=files) as importer:
        assert importer.import_module("math").pi > 3
        with pytest.raises(ArchiveError, match="checksum"):
            importer.load_text("app", "words.txt")
        if files == "real":
            with pytest.raises(ArchiveError, match="checksum"):
                importer.import_module("app.other")
        else:
            assert importer.import_module("app.other").value == 1
    with pytest.raises(ArchiveError, match="checksum"):
        PackageImporter(io.BytesIO(data), verify="all")


def _opens_elsewhere(sent: bytes, told: Any) -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        pickle.loads(sent)
    told.send([str(each.message).rpartition(": ")[2] for each in caught])


@pytest.mark.parametrize("verify", ["code", "off"])
def test_another_process_compares_what_it_reads(artifact: Path, verify: Any) -> None:
    path = with_other_digest(artifact, "app/model.py")
    with warnings.catch_warnings(), PackageImporter(path, verify=verify) as importer:
        warnings.simplefilter("ignore")
        sent = pickle.dumps(importer.import_module("app.model").Model())
        context = multiprocessing.get_context("spawn")
        here, there = context.Pipe()
        process = context.Process(target=_opens_elsewhere, args=(sent, there))
        process.start()
        process.join()
    assert here.recv() == (["app/model.py was changed"] if verify == "code" else [])


@pytest.fixture
def entries_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is read of the texts of entries."""
    found: list[str] = []
    monkeypatch.setattr(EntryLines, "_read_objects", _noting(EntryLines._read_objects, found))
    return found


def _noting(function: Any, found: list[str]) -> Any:
    def noted(self: Any, lines: str) -> Any:
        entries = function(self, lines)
        found.extend(entries)
        return entries

    return noted


def test_opening_reads_neither_sources_nor_their_entries(
    tmp_path: Path, entries_read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.pt"
    with PackageExporter(path) as exporter:
        exporter.extern("json")
        for number in range(100):
            exporter.save_source_string(f"p.m{number}", "import json\n")
    read: list[str] = []
    monkeypatch.setattr(ArchiveReader, "read", _noting_name(ArchiveReader.read, read))
    PackageImporter(path).close()
    assert all(name.startswith(".data/") for name in read)
    assert {*entries_read} == {"json", ".data/version", ".data/python_version", ".data/extern_modules"}


def _noting_name(function: Any, found: list[str]) -> Any:
    def noted(self: Any, name: str) -> Any:
        found.append(name)
        return function(self, name)

    return noted


def test_a_wrong_digest_of_checksums_does_not_verify_and_hides_nothing(artifact: Path) -> None:
    def edit(records: dict[str, bytes]) -> None:
        known = Manifest.from_bytes(records[MANIFEST]).checksums.encode()
        records[MANIFEST] = records[MANIFEST].replace(known, b"0" * 64)

    path = rewritten(artifact, edit)
    (problem,) = verify_archive(str(path), "a").facts["problems"]
    assert (problem["record"], problem["rule"]) == (MANIFEST, "checksums of its records")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        PackageImporter(path).close()

    def change(records: dict[str, bytes]) -> None:
        edit(records)
        records["app/words.txt"] = b"one six"

    with pytest.warns(ArtifactModifiedWarning, match=r"app/words.txt was changed"):
        PackageImporter(rewritten(artifact, change)).close()


def test_the_digest_of_checksums_is_as_it_is_described(artifact: Path) -> None:
    import hashlib
    import struct

    with zipfile.ZipFile(artifact) as file:
        infos = [info for info in file.infolist() if not info.filename.endswith(MANIFEST)]
        names = [info.filename.partition("/")[2] for info in infos]
        text = "\0".join(names).encode()
        text += b"".join(struct.pack("<I", info.CRC) for info in infos)
        text += b"".join(struct.pack("<Q", info.file_size) for info in infos)
        manifest = file.read(f"archive/{MANIFEST}")
    assert Manifest.from_bytes(manifest).checksums == hashlib.sha256(text).hexdigest()
    lines = manifest.decode().split("\n")
    assert len(lines) == 1 + (len(["app", "app.model", "app.other", "math"]) + 1) + (len(names) + 1)
