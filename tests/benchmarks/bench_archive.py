"""Assembling, opening, verifying and comparing archives beside `cp`, `cmp`, SHA-256 and zipfile."""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence

from scratch import clear
from table import Goal, show, timed

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.record_digests import digest_records
from hermpkg_build.archive.writer import FileSlice, Record, replace_archive, replacement_of, write_archive
from hermpkg_build.disk.all_cores import cores
from hermpkg_build.disk.crc32 import quick_crc32
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.inspection.diff.compare import compare_archives

_STORAGES = 16
_RECORDS = 10_000
_MANY = 28_000
_OPENSSL = "SHA-256 of the same bytes"
_ASSEMBLING_GOALS = {
    "replace_archive (copy)": Goal(most=1.1, of=("kernel copy into one file",)),
    "write_archive (copy, SHA-256)": Goal(most=1.1, of=("cp", _OPENSSL)),
}
_OPENING_GOALS = {
    "hermpkg, sources": Goal(most=2, of=("torch.package, sources",)),
    "hermpkg, tensors": Goal(most=2, of=("torch.package, tensors",)),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="how much to assemble, in MiB")
    parser.add_argument("--rounds", type=int, default=9, help="how often each row is timed")
    parser.add_argument("--folder", help="where to work; its file system is what is measured")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench archive ", dir=options.folder) as folder:
        storages = _make_storages(folder, options.mib)
        outputs = os.path.join(folder, "outputs")
        rows = timed(_assembling(outputs, storages), options.rounds, before=lambda: clear(outputs))
        show(f"Assembling {options.mib} MiB of {_STORAGES} storages from files", rows, _ASSEMBLING_GOALS)
        rows = timed(_verifying(folder, storages), options.rounds)
        show(f"Verifying and comparing {options.mib} MiB", rows, _verifying_goals())
        for storage in storages:
            os.unlink(storage.path)
        rows = timed(_opening(folder), options.rounds, before=lambda: clear(outputs))
        show(f"An archive of {_RECORDS} records", rows)
        rows = timed(_opening_packages(folder), options.rounds)
        show(f"Opening packages of {_MANY} records", rows, _OPENING_GOALS)
    return 0


def _assembling(outputs: str, storages: Sequence[FileSlice]) -> dict[str, Callable[[], object]]:
    out = os.path.join(outputs, "out.pt")
    crcs = [_crc32(storage.path) for storage in storages]
    records = [
        Record(name=f".data/{key}.storage", content=storage, crc32=crc32)
        for key, (storage, crc32) in enumerate(zip(storages, crcs, strict=True))
    ]

    def cp() -> None:
        subprocess.run(["cp", *(storage.path for storage in storages), outputs], check=True)

    def copy_alone() -> None:
        with replacement_of(out) as target:
            for storage in storages:
                with open(storage.path, "rb") as file:
                    left = storage.size
                    while left:
                        left -= os.copy_file_range(file.fileno(), target, min(left, 8 << 20))

    def hash_alone() -> None:
        for storage in storages:
            with open(storage.path, "rb") as file:
                sha256, buffer = hashlib.sha256(), bytearray(1 << 19)
                while count := file.readinto(buffer):
                    sha256.update(memoryview(buffer)[:count])

    return {
        "cp": cp,
        "kernel copy into one file": copy_alone,
        _OPENSSL: hash_alone,
        "replace_archive (copy)": lambda: replace_archive(out, root="model", records=records),
        "write_archive (copy, SHA-256)": lambda: write_archive(out, root="model", records=records),
    }


def _verifying(folder: str, storages: Sequence[FileSlice]) -> dict[str, Callable[[], object]]:
    paths = [os.path.join(folder, name) for name in ("a.pt", "b.pt")]
    records = [Record(name=f".data/{key}.storage", content=each) for key, each in enumerate(storages)]
    write_archive(paths[0], root="model", records=[Record(name=".data/version", content=b"6\n"), *records])
    shutil.copyfile(*paths)

    def openssl() -> None:
        hash_file(paths[0])

    def verify() -> None:
        with ArchiveReader(paths[0]) as reader:
            digest_records(reader, reader.names(), quick_crc32)

    def compare() -> None:
        with ArchiveReader(paths[0]) as a, ArchiveReader(paths[1]) as b:
            assert compare_archives(a, b).equal

    return {
        "SHA-256 of the file (OpenSSL)": openssl,
        "sha256sum": lambda: subprocess.run(["sha256sum", paths[0]], check=True, capture_output=True),
        "verify (SHA-256 and CRC-32 of each)": verify,
        "cmp": lambda: subprocess.run(["cmp", *paths], check=True),
        "diff of equal bytes": compare,
    }


def _verifying_goals() -> dict[str, Goal]:
    return {
        "verify (SHA-256 and CRC-32 of each)": Goal(most=1 / (0.9 * cores())),
        "diff of equal bytes": Goal(most=1, of=("cmp",)),
    }


def _opening_packages(folder: str) -> dict[str, Callable[[], object]]:
    """Packages with very many sources, and with very many tensors, as whoever loads them opens them."""
    import torch.package

    import hermpkg_build

    sources, tensors = os.path.join(folder, "sources.pt"), os.path.join(folder, "tensors.pt")
    with hermpkg_build.PackageExporter(sources) as exporter:
        exporter.intern("**")
        for number in range(_MANY):
            source = f"value = {number}\n"
            exporter.save_source_string(f"p{number % 200}.m{number}", source, dependencies=False)
    with hermpkg_build.PackageExporter(tensors) as exporter:
        exporter.save_pickle("t", "t.pkl", [torch.rand(16) for _ in range(_MANY)])
    return {
        "torch.package, sources": lambda: torch.package.PackageImporter(sources),
        "hermpkg, sources": lambda: hermpkg_build.PackageImporter(sources).close(),
        "torch.package, tensors": lambda: torch.package.PackageImporter(tensors),
        "hermpkg, tensors": lambda: hermpkg_build.PackageImporter(tensors).close(),
    }


def _opening(folder: str) -> dict[str, Callable[[], object]]:
    path = os.path.join(folder, "many.pt")
    records = [
        Record(name=f"package{i % 100}/module{i}.py", content=b"value = %d\n" % i) for i in range(_RECORDS)
    ]

    def naive() -> None:
        with zipfile.ZipFile(os.path.join(folder, "naive.pt"), "w") as archive:
            for record in records:
                assert isinstance(record.content, bytes)
                archive.writestr(record.name, record.content)

    def read_all() -> None:
        with ArchiveReader(path) as reader:
            for name in reader.names():
                reader.read(name)

    def read_all_naively() -> None:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                archive.read(name)

    return {
        "zipfile: write": naive,
        "write_archive": lambda: write_archive(path, root="many", records=records),
        "zipfile: open": lambda: zipfile.ZipFile(path).close(),
        "ArchiveReader: open": lambda: ArchiveReader(path).close(),
        "zipfile: read all": read_all_naively,
        "ArchiveReader: read all": read_all,
    }


def _make_storages(folder: str, mib: int) -> list[FileSlice]:
    storages = []
    for key in range(_STORAGES):
        path = os.path.join(folder, f"storage {key}")
        size = (mib << 20) // _STORAGES
        with open(path, "wb") as file:
            block = os.urandom(1 << 20)
            file.writelines([block] * (size >> 20))
            file.write(block[: size & 0xFFFFF])
        storages.append(FileSlice(path=path, size=size))
    return storages


def _crc32(path: str) -> int:
    with open(path, "rb") as file:
        crc32 = 0
        while data := file.read(1 << 20):
            crc32 = zlib.crc32(data, crc32)
    return crc32


if __name__ == "__main__":
    sys.exit(main())
