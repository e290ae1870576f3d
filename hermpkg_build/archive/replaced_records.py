"""Gives an archive other contents of some records; all bytes before the first of these are only copied."""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from functools import cache, partial
from itertools import islice, pairwise
from typing import NamedTuple

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.central_directory import read_central_directory
from hermpkg_build.archive.first_bytes import FirstBytes, KnownFile
from hermpkg_build.archive.layout import storage_number
from hermpkg_build.archive.members import ENTRY, checksums_of
from hermpkg_build.archive.plan import (
    ALIGNMENT,
    LARGE,
    LAYOUT,
    Placed,
    directory_entry,
    end_of_directory,
    local_header,
)
from hermpkg_build.disk.descriptors import NAMES_STAY_OPEN, READ
from hermpkg_build.disk.files import write_all
from hermpkg_build.disk.midstates import Sha256, midstates_of
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.disk.signatures import signature_of
from hermpkg_build.disk.spare_files import WORTHWHILE, Replaced, Spare, taken

_MODE = 0o644
_SIGNATURE = z.CENTRAL_SIGNATURE.to_bytes(4, "little")
_PLACE = ENTRY.size - 4
"""Where an entry of the directory, behind its signature, has the place of its record."""

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
        with mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
            archive = PresentArchive(view)
            changes = cache(partial(contents, archive))
            if known.spare is not None and changes() is None:
                return None  # The spare file is not taken for nothing.
            # The first bytes are those of tensors, whatever becomes of the records: they take longest.
            with (
                view[: archive.end_of_tensors()] as tensors,
                _target(path, known, spare) as (new, there),
                FirstBytes(descriptor, new.descriptor, tensors, known, there=there) as first,
            ):
                changed = changes()
                rest = None if changed is None else archive.rest_with(changed)
                hashed = None if rest is None else _completed(new.descriptor, view, rest, known, first)
                if rest is None or hashed is None:
                    return None
                if signature_of(os.fstat(descriptor)) != known.signature:
                    return None
                with Replaced(path, descriptor, spare if rest.start >= WORTHWHILE else "") as replaced:
                    new.replace(path)
                    kept = replaced.keep()
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
    data: bytearray


class PresentArchive:
    """The records of an archive, by their names without the root folder, and where their bytes lie."""

    def __init__(self, view: memoryview) -> None:
        directory = read_central_directory(view)
        self._view = view
        self._root = next(iter(directory.members), "").partition("/")[0]
        self._members = directory.members.below(f"{self._root}/")
        self._names = [*self._members]
        self._crcs, self._sizes, headers = self._members.columns()
        self._edges = [*headers, directory.start]
        is_all = len(self._members) == len(directory.members)
        self._is_whole = is_all and not (directory.duplicates or directory.prefix)

    def read(self, name: str) -> bytes:
        """Read a record. Raises KeyError."""
        member = self._members[name]
        fields = z.LOCAL.unpack_from(self._view, member.header)
        name_size, extra_size = fields[-2:]
        start = member.header + z.LOCAL.size + int(name_size) + int(extra_size)
        return bytes(self._view[start : start + member.size])

    def end_of_tensors(self) -> int:
        """Return where the first record begins that is no tensor's."""
        pairs = zip(self._names, self._edges, strict=False)
        return min((header for name, header in pairs if storage_number(name) is None), default=0)

    def end_of_first(self, names: Collection[str]) -> int:
        """Return where the first record begins that is none of `names`; 0 where that is not known."""
        first = next((at for at, name in enumerate(self._names) if name not in names), len(self._names))
        return self._edges[first] if self._is_whole else 0

    def checksums_with(self, new: Mapping[str, bytes]) -> str:
        """Return the digest of the checksums that the archive has with the contents `new` of some records."""
        crcs, sizes = [*self._crcs], [*self._sizes]
        for name, data in new.items():
            at = self._names.index(name)
            crcs[at], sizes[at] = zlib.crc32(data), len(data)
        return checksums_of(self._names, crcs, sizes)

    def rest_with(self, new: Mapping[str, bytes]) -> _Rest | None:
        """Lay the archive out with the contents `new` of some records. Raises KeyError.

        A record is as it was where it is moved by a multiple of what its payload is aligned to. So of most,
        which are aligned to few bytes, only those change that follow on others that do.
        """
        places = {name: at for at, name in enumerate(self._names)}
        contents = {places[name]: data for name, data in new.items()}
        first, count = min(contents), len(places)
        start = self._edges[first]
        if not self._is_whole or len(self._view) - start > _LARGEST_REST:
            return None
        large = [at for at in range(first, count) if self._sizes[at] >= LARGE]
        found, directory = bytearray(), bytearray(self._entries(0, first, 0))
        for at, following in pairwise([*sorted({*contents, *large}), count]):
            for each in range(at, min(at + 2, following)):
                data = contents.get(each)
                placed = self._placed(each, start + len(found), data)
                found += local_header(placed)
                found += self._payload(each) if data is None else data
                directory += directory_entry(placed)
            if at + 2 < following:
                shift = start + len(found) - self._edges[at + 2]
                if shift % ALIGNMENT:
                    return None
                found += self._view[self._edges[at + 2] : self._edges[following]]
                directory += self._entries(at + 2, following, shift)
        end = end_of_directory(count, len(directory), start + len(found))
        found += directory
        found += end
        return _Rest(start, found)

    def _placed(self, at: int, offset: int, data: bytes | None = None) -> Placed:
        """Return the record number `at`, from `offset` on, with other `data` or as it is."""
        size = self._sizes[at] if data is None else len(data)
        return Placed(
            name=f"{self._root}/{self._names[at]}".encode(),
            size=size,
            crc32=self._crcs[at] if data is None else zlib.crc32(data),
            offset=offset,
            alignment=LAYOUT.alignment_of(size),
        )

    def _payload(self, at: int) -> memoryview:
        """Return the bytes of the record number `at`, which are all before the next one."""
        stop = self._edges[at + 1]
        return self._view[stop - self._sizes[at] : stop]

    def _entries(self, first: int, stop: int, shift: int) -> bytes:
        """Return what the directory says of the records from `first` on that come before `stop`, if moved."""
        found = []
        entries = islice(self._members.entries.values(), first, stop)
        for at, (entry, header) in enumerate(zip(entries, self._edges[first:stop], strict=True), first):
            offset = header + shift
            if isinstance(entry, bytes) and offset < z.MAX_32:
                place = offset.to_bytes(4, "little")
                found.append(b"%b%b%b%b" % (_SIGNATURE, entry[:_PLACE], place, entry[_PLACE + 4 :]))
            else:
                found.append(directory_entry(self._placed(at, offset)))
        return b"".join(found)


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
