"""Gives an archive other contents of some records; all bytes before the first of these are only copied."""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.central_directory import read_central_directory
from hermpkg_build.archive.first_bytes import FirstBytes, KnownFile
from hermpkg_build.archive.layout import storage_number
from hermpkg_build.archive.members import checksums_of
from hermpkg_build.archive.plan import plan_archive
from hermpkg_build.archive.records import Content, FileSlice, Record, size_of
from hermpkg_build.disk.descriptors import NAMES_STAY_OPEN, READ
from hermpkg_build.disk.files import write_all
from hermpkg_build.disk.midstates import Sha256, midstates_of
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.disk.spare_files import WORTHWHILE, Spare, replace_and_keep, taken

_MODE = 0o644
_LARGEST_REST = 64 << 20
"""Of an archive with more bytes behind the first record that changes nothing is gained by this."""


def replace_records(
    path: str,
    *,
    known: KnownFile,
    contents: Callable[[PresentArchive], Mapping[str, bytes] | None],
    spare: str = "",
) -> KnownFile | None:
    """Replace the archive at `path`, which this version wrote, by one with other `contents` of some records.

    These are given the archive as it is, and return the new bytes by record, none of them a tensor's. None,
    and nothing is done, where they return None, where the archive is not the file that is `known`, or not
    laid out as archives are written. For the bytes before a midstate its signature vouches, for all others
    its digest. The result has the bytes that `write_archive` would give it. At `spare` the file may lie that
    is known to begin as this one; this one is kept there then, if that is worth it. Raises OSError,
    ArchiveError, and KeyError for records that are not there; `path` is then as it was.
    """
    descriptor = os.open(path, READ)
    try:
        if not NAMES_STAY_OPEN or not known.size or signature_of(os.fstat(descriptor)) != known.signature:
            return None
        with (
            mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapped,
            memoryview(mapped) as view,
            _target(path, known, spare) as (new, there),
        ):
            archive = PresentArchive(path, view)
            # The first bytes are those of tensors, whatever becomes of the records: they take longest.
            tensors = view[: archive.end_of_tensors()]
            with FirstBytes(descriptor, new.descriptor, tensors, known, there=there) as first:
                changed = contents(archive)
                rest = None if changed is None else archive.rest_with(changed)
                hashed = None if rest is None else _completed(new.descriptor, view, rest, known, first)
            if rest is None or hashed is None or signature_of(os.fstat(descriptor)) != known.signature:
                return None
            kept = None
            if spare and rest.start >= WORTHWHILE:
                kept = replace_and_keep(new, path, descriptor, spare)
            else:
                new.replace(path)
            signature = signature_of(os.fstat(new.descriptor))
            next_spare = None if kept is None else Spare(kept, rest.start)
            return KnownFile(hashed.hexdigest(), signature, midstates_of(hashed), next_spare)
    finally:
        os.close(descriptor)


@contextmanager
def _target(path: str, known: KnownFile, spare: str) -> Iterator[tuple[NewFile, int]]:
    """Open the file that is to replace the one at `path`; so many of its bytes are there already."""
    if known.spare is not None and (new := taken(spare, known.spare, mode=_MODE)) is not None:
        with new:
            yield new, known.spare.same
    else:
        with NewFile(os.path.dirname(path), mode=_MODE) as new:
            yield new, 0


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


def _completed(
    target: int, view: memoryview, rest: _Rest, known: KnownFile, first: FirstBytes
) -> Sha256 | None:
    """Write what follows on the first bytes; return the hash of all, None where the old bytes are others."""
    if rest.start < first.size:  # a tensor is replaced
        return None
    same = first.finished()
    with view[first.size : rest.start] as before, view[rest.start :] as after:
        os.lseek(target, first.size, os.SEEK_SET)
        write_all(target, before)
        write_all(target, rest.data)
        os.ftruncate(target, rest.start + len(rest.data))
        same.update(before)
        old = same.copy()
        old.update(after)
    same.update(rest.data)
    return same if old.hexdigest() == known.sha256 else None
