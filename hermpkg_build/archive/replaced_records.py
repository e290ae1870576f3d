"""Gives an archive other contents of some records; all bytes before the first of these are only copied."""

from __future__ import annotations

import errno
import hashlib
import mmap
import os
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.central_directory import read_central_directory
from hermpkg_build.archive.layout import storage_number
from hermpkg_build.archive.members import checksums_of
from hermpkg_build.archive.plan import plan_archive
from hermpkg_build.archive.records import Content, FileSlice, Record, size_of
from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.descriptors import NAMES_STAY_OPEN, READ
from hermpkg_build.disk.files import write_all
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.disk.signatures import FileSignature, signature_of

_MODE = 0o644
_LARGEST_REST = 64 << 20
"""Of an archive with more bytes behind the first record that changes nothing is gained by this."""

_STEP = 4 << 20
"""So many bytes are hashed before it is seen whether anybody still wants that."""

_NO_COPY = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EPERM, errno.EBADF)


class Replaced(NamedTuple):
    """The file that an archive has become."""

    sha256: str
    size: int
    signature: FileSignature


def replace_records(
    path: str, *, sha256: str, contents: Callable[[PresentArchive], Mapping[str, bytes] | None]
) -> Replaced | None:
    """Replace the archive at `path`, which this version wrote, by one with other `contents` of some records.

    These are given the archive as it is, and return the new bytes by record. None, and nothing
    is done, where they return None, where the archive has not the digest `sha256`, or is not laid out as
    archives are written. The result has the bytes that `write_archive` would give it. Raises OSError,
    ArchiveError, and KeyError for records that are not there; `path` is then as it was.
    """
    descriptor = os.open(path, READ)
    try:
        if not NAMES_STAY_OPEN or not os.fstat(descriptor).st_size:
            return None
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            archive = PresentArchive(path, view)
            # The first bytes are those of tensors, whatever becomes of the records: they take longest.
            with _Hashing(view[: archive.end_of_tensors()]) as hashing:
                new = contents(archive)
                rest = None if new is None else archive.rest_with(new)
                return None if rest is None else _written(path, descriptor, view, rest, sha256, hashing)
    finally:
        os.close(descriptor)


class _Rest(NamedTuple):
    """What follows in the new archive on its first `start` bytes, which are those of the old one."""

    start: int
    data: bytes


class PresentArchive:
    """The records of an archive, by their names without the root folder, and where their bytes lie."""

    def __init__(self, path: str, view: memoryview) -> None:
        self._path = path
        self._view = view
        members = read_central_directory(view).members
        self._root = next(iter(members), "").partition("/")[0]
        self._members = members.below(f"{self._root}/")
        self._is_whole = len(self._members) == len(members)

    def read(self, name: str) -> bytes:
        """Read a record. Raises KeyError."""
        member = self._members[name]
        start = self._start(member.header)
        return bytes(self._view[start : start + member.size])

    def end_of_tensors(self) -> int:
        """Return where the first record begins that is no tensor's."""
        others = (each.header for name, each in self._members.items() if storage_number(name) is None)
        return min(others, default=0)

    def checksums_with(self, new: Mapping[str, bytes]) -> str:
        """Return the digest of the checksums that the archive has with the contents `new` of some records."""
        return checksums_of(
            (name, zlib.crc32(new[name]), len(new[name])) if name in new else (name, crc32, size)
            for name, crc32, size in self._members.checksums()
        )

    def rest_with(self, new: Mapping[str, bytes]) -> _Rest | None:
        """Lay the archive out with the contents `new` of some records."""
        start = min(self._members[name].header for name in new)
        if not self._is_whole or len(self._view) - start > _LARGEST_REST:
            return None
        found, position = bytearray(), 0
        for piece in plan_archive(self._root, [*self._records(new)]):
            if position >= start:
                found += piece if not isinstance(piece, FileSlice) else self._bytes_of(piece)
            elif isinstance(piece, FileSlice) and piece.offset != position:
                return None
            position += size_of(piece)
        return _Rest(start, bytes(found)) if position == start + len(found) else None

    def _records(self, new: Mapping[str, bytes]) -> Iterator[Record]:
        for name, member in self._members.items():
            if name in new:
                yield Record(name=name, content=new[name])
            else:
                content: Content = FileSlice(
                    path=self._path, offset=self._start(member.header), size=member.size
                )
                yield Record(name=name, content=content, crc32=member.crc32)

    def _start(self, header: int) -> int:
        """Return where the bytes of a record start whose local header is at `header`."""
        fields = z.LOCAL.unpack_from(self._view, header)
        name_size, extra_size = fields[-2:]
        return header + z.LOCAL.size + int(name_size) + int(extra_size)

    def _bytes_of(self, piece: FileSlice) -> memoryview:
        return self._view[piece.offset : piece.offset + piece.size]


class _Hashing(Closing):
    """The SHA-256 of the `first` bytes of an archive, on which a thread works until this is closed."""

    def __init__(self, first: memoryview) -> None:
        self.size = len(first)
        self._first = first
        self._hash = hashlib.sha256()
        self._is_over = False
        self._thread = threading.Thread(target=self._work, name="hermpkg-hash")
        self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._is_over = True
        self._thread.join()
        self._first.release()

    def _work(self) -> None:
        for start in range(0, self.size, _STEP):
            if self._is_over:
                return
            self._hash.update(self._first[start : start + _STEP])

    def result(self) -> hashlib._Hash:
        """Wait for all of it."""
        self._thread.join()
        return self._hash


def _written(
    path: str, source: int, view: memoryview, rest: _Rest, sha256: str, hashing: _Hashing
) -> Replaced | None:
    """Write the new archive beside the old one, which is hashed meanwhile, and let it take its place."""
    with view[: rest.start] as before, NewFile(os.path.dirname(path), mode=_MODE) as new:
        _copy(source, new.descriptor, before)
        write_all(new.descriptor, rest.data)
        same, hashed = hashing.result(), hashing.size
        if rest.start < hashed:  # a tensor is replaced
            same, hashed = hashlib.sha256(), 0
        same.update(before[hashed:])
        old = same.copy()
        old.update(view[rest.start :])
        if old.hexdigest() != sha256:
            return None
        same.update(rest.data)
        new.replace(path)
        signature = signature_of(os.fstat(new.descriptor))
    return Replaced(same.hexdigest(), rest.start + len(rest.data), signature)


def _copy(source: int, target: int, before: memoryview) -> None:
    """Copy the first bytes of a file, `before`, to the start of another; by the kernel where it can."""
    done = 0
    if sys.platform == "linux" and hasattr(os, "copy_file_range"):
        try:
            while done < len(before):
                count = os.copy_file_range(source, target, len(before) - done, done, done)
                if not count:
                    break
                done += count
        except OSError as error:
            if error.errno not in _NO_COPY:
                raise
    os.lseek(target, done, os.SEEK_SET)
    write_all(target, before[done:])
