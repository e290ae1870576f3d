"""Computes the layout of an archive before a byte of it is written: its headers, padding and contents."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.copying import crc32_of
from hermpkg_build.archive.layout import LONGEST_NAME, problem_with_name
from hermpkg_build.archive.records import Content, FileSlice, Record
from hermpkg_build.errors import ArchiveError

ALIGNMENT = 64
"""Payloads start at multiples of this many bytes, as torch maps storages."""

_VERSION_NEEDED = 20
_VERSION_NEEDED_ZIP64 = 45
_MADE_BY_UNIX = 3 << 8
_REGULAR_FILE_0644 = 0o100644 << 16
_DOS_DATE_1980_01_01 = 0x0021


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """A record with the values of its two headers."""

    name: bytes
    content: Content
    size: int
    crc32: int
    offset: int

    @property
    def is_big(self) -> bool:
        return self.size >= z.MAX_32

    @property
    def shared_fields(self) -> tuple[int, ...]:
        """The fields that both headers have in the same order: from the flags to the length of the name."""
        flags = 0 if self.name.isascii() else z.FLAG_UTF8
        size = min(self.size, z.MAX_32)
        return flags, z.STORED, 0, _DOS_DATE_1980_01_01, self.crc32, size, size, len(self.name)


def plan_archive(root: str, records: Sequence[Record]) -> Iterator[Content]:
    """Return the pieces of an archive with `records` in the folder `root`; joined, they are the file.

    Records are sorted by the UTF-8 bytes of their names, STORED and aligned to 64 bytes. Nothing depends on
    the order of `records`, on times, users or modes. ZIP64 structures appear only where a size, an offset or
    the number of records needs them.
    Raises ArchiveError, before the first piece, for a name that is not allowed or that occurs twice.
    """
    named = _named(root, records)
    return _pieces(named)


def _pieces(named: Sequence[tuple[bytes, Record]]) -> Iterator[Content]:
    directory = bytearray()
    offset = 0
    for name, record in named:
        crc32 = record.crc32 if record.crc32 is not None else crc32_of(record.content)
        content = record.content
        if isinstance(content, FileSlice):
            content = replace(content, digest=None, crc32=crc32)
        placed = _Placed(name=name, content=content, size=record.size, crc32=crc32, offset=offset)
        header = _local_header(placed)
        yield header
        yield placed.content
        directory += _directory_entry(placed)
        offset += len(header) + placed.size
    yield bytes(directory)
    yield _end(len(named), len(directory), offset)


def _named(root: str, records: Sequence[Record]) -> list[tuple[bytes, Record]]:
    if problem := problem_with_name(root) or ("it holds a slash" if "/" in root else ""):
        raise ArchiveError(f"{root!r} cannot be the root folder of an archive", facts=[("reason", problem)])
    for record in records:
        if problem := problem_with_name(record.name):
            raise ArchiveError(f"{record.name!r} cannot be the name of a record", facts=[("reason", problem)])
    named = [(f"{root}/{record.name}".encode(), record) for record in records]
    named.sort(key=lambda pair: pair[0])
    for (name, _), (following, record) in pairwise(named):
        if name == following:
            raise ArchiveError(f"two records have the name {record.name!r}")
    for name, record in named:
        if len(name) > LONGEST_NAME:
            raise ArchiveError(
                f"the name of a record is too long: {record.name[:60]!r}...",
                facts=[
                    ("length", f"{len(name)} bytes with the root folder"),
                    ("at most", f"{LONGEST_NAME} bytes"),
                ],
            )
    return named


def _local_header(record: _Placed) -> bytes:
    extra = b""
    if record.is_big:
        extra = z.EXTRA.pack(z.ZIP64_EXTRA, 16) + record.size.to_bytes(8, "little") * 2
    unpadded = record.offset + z.LOCAL.size + len(record.name) + len(extra)
    extra += _padding(-unpadded % ALIGNMENT)
    needed = _VERSION_NEEDED_ZIP64 if record.is_big else _VERSION_NEEDED
    return z.LOCAL.pack(z.LOCAL_SIGNATURE, needed, *record.shared_fields, len(extra)) + record.name + extra


def _padding(count: int) -> bytes:
    """Return an extra field whose length is `count` modulo ALIGNMENT, b"" for 0."""
    if not count:
        return b""
    shortest = z.EXTRA.size + 2
    if count < shortest:
        count += ALIGNMENT
    zeros = bytes(count - shortest)
    return z.EXTRA.pack(z.ALIGNMENT_EXTRA, 2 + len(zeros)) + ALIGNMENT.to_bytes(2, "little") + zeros


def _directory_entry(record: _Placed) -> bytes:
    # The ZIP64 field has, in this order, only the values that do not fit into the fixed part [4.5.3].
    large = [record.size, record.size] if record.is_big else []
    if record.offset >= z.MAX_32:
        large.append(record.offset)
    extra = b"".join(value.to_bytes(8, "little") for value in large)
    if large:
        extra = z.EXTRA.pack(z.ZIP64_EXTRA, len(extra)) + extra
    needed = _VERSION_NEEDED_ZIP64 if large else _VERSION_NEEDED
    header = z.CENTRAL.pack(
        z.CENTRAL_SIGNATURE,
        _MADE_BY_UNIX | needed,
        needed,
        *record.shared_fields,
        len(extra),
        0,
        0,
        0,
        _REGULAR_FILE_0644,
        min(record.offset, z.MAX_32),
    )
    return header + record.name + extra


def _end(count: int, directory_size: int, directory_offset: int) -> bytes:
    end = b""
    if count >= z.MAX_16 or directory_size >= z.MAX_32 or directory_offset >= z.MAX_32:
        end += z.ZIP64_END.pack(
            z.ZIP64_END_SIGNATURE,
            # The size leaves out the signature and the size field itself [4.3.14.1].
            z.ZIP64_END.size - 12,
            _MADE_BY_UNIX | _VERSION_NEEDED_ZIP64,
            _VERSION_NEEDED_ZIP64,
            0,
            0,
            count,
            count,
            directory_size,
            directory_offset,
        )
        end += z.ZIP64_LOCATOR.pack(z.ZIP64_LOCATOR_SIGNATURE, 0, directory_offset + directory_size, 1)
    here = min(count, z.MAX_16)
    return end + z.END.pack(
        z.END_SIGNATURE,
        0,
        0,
        here,
        here,
        min(directory_size, z.MAX_32),
        min(directory_offset, z.MAX_32),
        0,
    )
