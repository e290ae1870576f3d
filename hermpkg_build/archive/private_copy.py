"""Copies an unpacked artifact, once and whole, to where nobody else can change it."""

from __future__ import annotations

import mmap
import os
import shutil
import tempfile

from hermpkg_build.archive.plan import plan_archive
from hermpkg_build.archive.private_file import PrivateFile
from hermpkg_build.archive.records import FileSlice, Record
from hermpkg_build.archive.unpacked import UnpackedReader
from hermpkg_build.errors import ArchiveError, LocalEnvironmentError

_MOST_GROWTH = 1032
"""A file may say that it has so many times the bytes that it takes on the disk, as a packed record may."""
_BLOCK = 512
_ALWAYS = 16 << 20


def private_copy(folder: UnpackedReader) -> PrivateFile:
    """Return the canonical archive of what `folder` holds, in a file that has no name and is gone with it.

    Each file is read once. Of an artifact that was unpacked and not changed, it is the artifact, byte for
    byte, where the folder is called like the artifact's root. Raises ArchiveError for what no record can
    hold, LocalEnvironmentError where there is no room for the copy.
    """
    root = os.path.basename(folder.name)
    sizes = {name: _size(folder, name) for name in folder.names()}
    _check_room(folder, sum(sizes.values()))
    try:
        with tempfile.TemporaryFile() as records, tempfile.TemporaryFile() as packed:
            places = {}
            for name in sizes:
                begin = records.tell()
                for piece in folder.pieces(name):
                    records.write(piece)
                places[name] = slice(begin, records.tell())
            records.flush()
            data = _mapped(records.fileno())
            contents = [Record(name=name, content=data[place]) for name, place in places.items()]
            for part in plan_archive(root, contents):
                assert not isinstance(part, FileSlice)  # Nor is any of the records one.
                packed.write(part)
            packed.flush()
            return PrivateFile(os.dup(packed.fileno()), folder.name)
    except OSError as error:
        raise _no_room(folder, ("reason", str(error.strerror))) from None


def _size(folder: UnpackedReader, name: str) -> int:
    path = os.path.join(folder.name, name)
    try:
        status = os.stat(path)
    except OSError as error:
        raise ArchiveError(
            "a record of the unpacked artifact cannot be read",
            facts=[("folder", folder.name), ("record", name), ("reason", error.strerror or str(error))],
        ) from None
    # Windows does not tell what a file takes on the disk.
    blocks: int | None = getattr(status, "st_blocks", None)
    if blocks is not None and status.st_size > max(_ALWAYS, _MOST_GROWTH * blocks * _BLOCK):
        raise ArchiveError(
            "a file of the unpacked artifact is nothing but a hole",
            facts=[("folder", folder.name), ("record", name), ("bytes", str(status.st_size))],
        )
    return status.st_size


def _check_room(folder: UnpackedReader, size: int) -> None:
    free = shutil.disk_usage(tempfile.gettempdir()).free
    if 2 * size > free:
        raise _no_room(folder, ("bytes", str(size)), ("free", str(free)))


def _no_room(folder: UnpackedReader, *facts: tuple[str, str]) -> LocalEnvironmentError:
    return LocalEnvironmentError(
        "there is no room for a copy of the unpacked artifact",
        facts=[("folder", folder.name), ("copy", tempfile.gettempdir()), *facts],
        next_step="open the artifact's own file, which needs no copy, or let TMPDIR name a larger disk",
    )


def _mapped(descriptor: int) -> memoryview:
    size = os.fstat(descriptor).st_size
    return memoryview(mmap.mmap(descriptor, size, access=mmap.ACCESS_READ) if size else b"")
