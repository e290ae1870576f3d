"""Computes the layout of an archive before a byte of it is written: its headers, padding and contents."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.layout import (
    LONGEST_NAME,
    problem_with_name,
    storage_number,
)
from hermpkg_build.archive.records import Content, FileSlice, Record
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.errors import ArchiveError

ALIGNMENT = 64
"""Payloads start at multiples of this many bytes, as torch maps storages."""

_PAGE = 4096
LARGE = 256 << 10
"""From so many bytes on payloads start at pages: file systems can share such parts of files."""

_JOINED = 16 << 10
"""Payloads up to this size are one piece with their headers: there can be hundreds of thousands."""

_VERSION_NEEDED = 20
_VERSION_NEEDED_ZIP64 = 45
_MADE_BY_UNIX = 3 << 8
_REGULAR_FILE_0644 = 0o100644 << 16
_DOS_DATE_1980_01_01 = 0x0021


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """The order of records, by name, with `storages_first`, by number, or not; and where payloads may start.

    Those of at least `paged_from` bytes start at multiples of 4096 bytes, all others at multiples of 64.
    """

    storages_first: bool
    paged_from: float

    def alignment_of(self, size: int) -> int:
        """Return what the offset of a payload is a multiple of."""
        return _PAGE if size >= self.paged_from else ALIGNMENT

    def in_order(self, names: Iterable[str]) -> list[str]:
        """Return the names of records, without the root folder, in the order in which they lie."""
        by_name = sorted(names, key=str.encode)
        if not self.storages_first:
            return by_name
        numbers = {name: number for name in by_name if (number := storage_number(name)) is not None}
        return [*sorted(numbers, key=numbers.__getitem__), *(name for name in by_name if name not in numbers)]


LAYOUT = Layout(storages_first=True, paged_from=LARGE)
"""What is written: storages come first, so that they can be written before the rest is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A record with the values of its two headers."""

    name: bytes
    size: int
    crc32: int
    offset: int
    alignment: int

    @property
    def is_big(self) -> bool:
        """Whether its size needs ZIP64."""
        return self.size >= z.MAX_32

    @property
    def shared_fields(self) -> tuple[int, ...]:
        """The fields that both headers have in the same order: from the flags to the length of the name."""
        flags = 0 if self.name.isascii() else z.FLAG_UTF8
        size = min(self.size, z.MAX_32)
        return flags, z.STORED, 0, _DOS_DATE_1980_01_01, self.crc32, size, size, len(self.name)


def _crc32_of_bytes(content: Content) -> int:
    assert not isinstance(content, FileSlice)
    return zlib.crc32(content)


def plan_archive(
    root: str,
    records: Sequence[Record],
    layout: Layout = LAYOUT,
    crc32_of: Callable[[Content], int] = _crc32_of_bytes,
) -> Iterator[Content]:
    """Return the pieces of an archive with `records` in the folder `root`; joined, they are the file.

    Storages come first, by number, then all other records by the UTF-8 bytes of their names; all are STORED,
    and start at multiples of 64 bytes, those of 256 KiB and more at multiples of 4096. Nothing depends on
    the order of `records`, on times, users or modes. ZIP64 structures appear only where a size, an offset or
    the number of records needs them. Slices of files come with their CRC-32, or `crc32_of` computes it.
    Raises ArchiveError, before the first piece, for a name that is not allowed or that occurs twice.
    """
    named = _named(root, records, layout)
    return _pieces(named, layout, crc32_of)


def _pieces(
    named: Sequence[tuple[bytes, Record]], layout: Layout, crc32_of: Callable[[Content], int]
) -> Iterator[Content]:
    directory = bytearray()
    offset = 0
    for name, record in named:
        crc32 = record.crc32 if record.crc32 is not None else crc32_of(record.content)
        content, size = record.content, record.size
        if isinstance(content, FileSlice):
            content = replace(content, digest=None, crc32=crc32)
        alignment = layout.alignment_of(size)
        if alignment == ALIGNMENT and size < z.MAX_32 and offset < z.MAX_32:
            header, entry = _usual_headers(name, size, crc32, offset)
        else:
            placed = Placed(name=name, size=size, crc32=crc32, offset=offset, alignment=alignment)
            header, entry = local_header(placed), directory_entry(placed)
        if isinstance(content, bytes) and size <= _JOINED:
            yield header + content
        else:
            yield header
            yield content
        directory += entry
        offset += len(header) + size
    yield bytes(directory)
    yield end_of_directory(len(named), len(directory), offset)


def _named(root: str, records: Sequence[Record], layout: Layout) -> list[tuple[bytes, Record]]:
    if problem := problem_with_name(root) or ("it holds a slash" if "/" in root else ""):
        raise ArchiveError(f"{root!r} cannot be the root folder of an archive", facts=[("reason", problem)])
    for record in records:
        if problem := problem_with_name(record.name):
            raise ArchiveError(f"{record.name!r} cannot be the name of a record", facts=[("reason", problem)])
    by_name = {record.name: record for record in records}
    if len(by_name) < len(records):
        names = sorted(record.name for record in records)
        twice = next(name for name, following in pairwise(names) if name == following)
        raise ArchiveError(f"two records have the name {twice!r}")
    named = [(f"{root}/{name}".encode(), by_name[name]) for name in layout.in_order(by_name)]
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


def _usual_headers(name: bytes, size: int, crc32: int, offset: int) -> tuple[bytes, bytes]:
    """Return what the next two functions do of a record that needs no ZIP64, with one call for both."""
    flags = 0 if name.isascii() else z.FLAG_UTF8
    shared = (flags, z.STORED, 0, _DOS_DATE_1980_01_01, crc32, size, size, len(name))
    extra = _PADDINGS[-(offset + z.LOCAL.size + len(name)) % ALIGNMENT]
    header = z.LOCAL.pack(z.LOCAL_SIGNATURE, _VERSION_NEEDED, *shared, len(extra))
    entry = z.CENTRAL.pack(
        z.CENTRAL_SIGNATURE,
        _MADE_BY_UNIX | _VERSION_NEEDED,
        _VERSION_NEEDED,
        *shared,
        0,
        0,
        0,
        0,
        _REGULAR_FILE_0644,
        offset,
    )
    return header + name + extra, entry + name


def local_header(record: Placed) -> bytes:
    """Return the header that a record has before its payload, with the padding."""
    extra = b""
    if record.is_big:
        extra = z.EXTRA.pack(z.ZIP64_EXTRA, 16) + record.size.to_bytes(8, "little") * 2
    unpadded = record.offset + z.LOCAL.size + len(record.name) + len(extra)
    extra += _padding(-unpadded % record.alignment, record.alignment)
    needed = _VERSION_NEEDED_ZIP64 if record.is_big else _VERSION_NEEDED
    return z.LOCAL.pack(z.LOCAL_SIGNATURE, needed, *record.shared_fields, len(extra)) + record.name + extra


def _padding(count: int, alignment: int) -> bytes:
    """Return an extra field whose length is `count` modulo `alignment`, b"" for 0."""
    if not count:
        return b""
    shortest = z.EXTRA.size + 2
    if count < shortest:
        count += alignment
    zeros = bytes(count - shortest)
    return z.EXTRA.pack(z.ALIGNMENT_EXTRA, 2 + len(zeros)) + alignment.to_bytes(2, "little") + zeros


_PADDINGS = tuple(_padding(count, ALIGNMENT) for count in range(ALIGNMENT))


def directory_entry(record: Placed) -> bytes:
    """Return what the directory says of a record."""
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


def end_of_directory(count: int, directory_size: int, directory_offset: int) -> bytes:
    """Return what follows on the directory: where it is, and how many records it has."""
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
