"""Assembling and opening archives beside `cp` and zipfile on the same bytes: prints one table."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Sequence

from scratch import clear
from table import show, timed

from hermpkg_build.archive.copying import append_slice
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.writer import FileSlice, Record, replacement_of, write_archive

_STORAGES = 16
_RECORDS = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mib", type=int, default=1024, help="how much to assemble, in MiB")
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is timed")
    parser.add_argument("--folder", help="where to work; its file system is what is measured")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="bench archive ", dir=options.folder) as folder:
        storages = _make_storages(folder, options.mib)
        outputs = os.path.join(folder, "outputs")
        rows = timed(_assembling(outputs, storages), options.rounds, before=lambda: clear(outputs))
        show(f"Assembling {options.mib} MiB of {_STORAGES} storages from files", rows)
        for storage in storages:
            os.unlink(storage.path)
        rows = timed(_opening(folder), options.rounds, before=lambda: clear(outputs))
        show(f"An archive of {_RECORDS} records", rows)
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
                append_slice(storage, target, lambda count: None)

    def hash_alone() -> None:
        for storage in storages:
            with open(storage.path, "rb") as file:
                sha256, buffer = hashlib.sha256(), bytearray(1 << 19)
                while count := file.readinto(buffer):
                    sha256.update(memoryview(buffer)[:count])

    return {
        "cp": cp,
        "kernel copy into one file": copy_alone,
        "SHA-256 of the same bytes": hash_alone,
        "write_archive (copy, SHA-256)": lambda: write_archive(out, root="model", records=records),
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
