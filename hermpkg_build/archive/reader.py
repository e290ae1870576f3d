"""Reads archives: maps the file, finds records by name, compares them with their checksums."""

from __future__ import annotations

import mmap
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias, TypeVar, final

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.archive_file import ArchiveBytes, ArchiveFile, ArchiveSource
from hermpkg_build.archive.central_directory import decode_name, read_central_directory
from hermpkg_build.archive.layout import problem_with_size
from hermpkg_build.archive.members import Member, Members, below_root, checksums_of
from hermpkg_build.archive.pieces import PIECE, hash_of, inflated, too_large_for_memory
from hermpkg_build.archive.record_sweep import PartsAhead, spans_within, sweep
from hermpkg_build.core.closing import Closing
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ArchiveError

__all__ = ["ArchiveReader", "ArchiveSource", "Entry"]

COPIED = 16 << 20
"""Files up to this size, in bytes, are copied rather than mapped, unless the caller says otherwise."""
CHECKED = 8 << 10
"""Mapped records up to this size, in bytes, are compared with their CRC: it costs less than the mapping."""

# Deflate packs at most so many bytes into one; a record that claims more is damaged.
_MOST_INFLATION = 1032
_MOST_USUAL_INFLATION = 64
_LARGEST_INFLATED = 16 << 20
_CHUNK = 256 << 10
_MANY = 64


_T = TypeVar("_T")

PartMaker: TypeAlias = Callable[[int, int], _T]
"""Makes something of memory from a place on, up to another."""

ReadCheck: TypeAlias = Callable[[str, memoryview, Callable[[], None]], None]
"""Gets name and bytes of a record, and what compares their CRC, which it calls unless it knows them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """The place of one record in the archive.

    Its bytes start at `offset` of the file; there are `packed_size` of them there, and `size` unpacked. The
    two are equal for a record that `is_stored`.
    """

    name: str
    offset: int
    size: int
    packed_size: int
    crc32: int
    is_stored: bool

    @property
    def is_inflated(self) -> bool:
        """Whether so few bytes unpack to so many that reading the record whole is not worth its memory."""
        return self.size > max(_LARGEST_INFLATED, _MOST_USUAL_INFLATION * self.packed_size)


@final
class ArchiveReader(Closing):
    """A ZIP archive with all records under one root folder, as torch.package writes it, edited or not.

    `source` is a path, bytes, a binary stream, which is read whole, or ArchiveBytes. Opening reads the
    directory only.

    Records are named without the root folder. `root` is that folder, "" for an archive that was packed again
    without it; `duplicates` are names that occur more than once, of which the last counts, as in zipfile;
    `strays` are the names of members outside the root folder, which are not records; `prefix` is the number
    of foreign bytes before the archive.
    Raises ArchiveError where the source is missing, not an archive, or damaged.

    >>> from hermpkg_build.archive.writer import Record, stream_archive
    >>> import io
    >>> stream = io.BytesIO()
    >>> stream_archive(stream, root="net", records=[Record(name="a.txt", content=b"hello")])
    >>> with ArchiveReader(stream) as archive:
    ...     archive.root, archive.names(), archive.read("a.txt")
    ('net', ['a.txt'], b'hello')
    """

    def __init__(self, source: ArchiveSource | ArchiveBytes) -> None:
        self._members = Members({})
        self._offsets: dict[str, int] = {}
        self._check: ReadCheck | None = None
        self._file = source if isinstance(source, ArchiveBytes) else ArchiveFile(source)
        self.name: str = self._file.name
        try:
            central = read_central_directory(self._file.view)
            rooted = below_root(central.members)
        except ArchiveError as error:
            self.close()
            raise error.in_file(self.name) from None
        self.root: str = rooted.root
        self.strays: tuple[str, ...] = rooted.strays
        self.prefix: int = central.prefix
        self._limit = central.start
        self._members = rooted.members
        folder = f"{self.root}/" if self.root else ""
        self.duplicates: tuple[str, ...] = tuple(
            name.removeprefix(folder) for name in central.duplicates if name.startswith(folder)
        )

    def names(self) -> Sequence[str]:
        """Return the names of all records, in the archive's order; folders are not records."""
        return list(self._members)

    def has(self, name: str) -> bool:
        """Whether there is a record `name`."""
        return name in self._members

    def entry(self, name: str) -> Entry:
        """Return the place of the record `name`. Raises ArchiveError where it is missing or damaged."""
        member = self._member(name)
        if name not in self._offsets:
            self._offsets[name] = self._data_offset(name, member)
        return Entry(
            name=name,
            offset=self._offsets[name],
            size=member.size,
            packed_size=member.packed_size,
            crc32=member.crc32,
            is_stored=member.method == z.STORED,
        )

    def size(self, name: str) -> int:
        """Return the number of bytes of the record `name`, unpacked. Raises ArchiveError."""
        return self.entry(name).size

    def read(self, name: str) -> bytes:
        """Return the bytes of the record `name`, compared with their CRC. Raises ArchiveError."""
        entry = self.entry(name)
        try:
            if entry.is_stored:
                data = self._file.read_at(entry.offset, entry.packed_size)
            else:
                data = b"".join(self._inflated(entry))
        except MemoryError:
            raise too_large_for_memory(self.name, name) from None
        self._check_read(entry, memoryview(data))
        return data

    def pieces(self, name: str, buffer: memoryview | None = None) -> Iterator[memoryview]:
        """Give the bytes of the record `name` in pieces of one MiB, the last one shorter.

        They are not compared with their CRC. No more than a piece of a deflated record is in memory. Where
        there is a `buffer`, pieces of a stored one are as large, lie in it, and count until the next.
        Raises ArchiveError.
        """
        entry = self.entry(name)
        if not entry.is_stored:
            return self._inflated(entry)
        end, size = entry.offset + entry.size, PIECE if buffer is None else len(buffer)
        spans = ((start, min(size, end - start)) for start in range(entry.offset, end, size))
        if buffer is None:
            return (memoryview(self._file.read_at(*span)) for span in spans)
        parts = ((buffer[:length], start) for start, length in spans)
        return (part[: self._file.read_into(part, start)] for part, start in parts)

    def view(self, name: str) -> memoryview:
        """Return the bytes of the record `name`, read-only, shaped (size,).

        They are *not* compared with their CRC, unless reads are checked. Those of a stored record are the
        mapped file itself, and stay usable after `close`.
        Raises ArchiveError.
        """
        entry = self.entry(name)
        if not entry.is_stored or self._file.is_released:
            return memoryview(self.read(name))
        view = self._file.view[entry.offset : entry.offset + entry.size].toreadonly()
        if self._check is not None:
            self._check_read(entry, view)
        return view

    @property
    def checks_reads(self) -> bool:
        """Whether records are checked when they are read."""
        return self._check is not None

    def check_reads(self, check: ReadCheck) -> None:
        """From now on, call `check` with whatever `read` and `view` return."""
        self._check = check

    def raw(self) -> memoryview:
        """Return the whole file, read-only, shaped (size,); usable after `close` where it is mapped."""
        return self._file.view[:].toreadonly()

    def directory(self) -> memoryview:
        """Return the bytes of the central directory, to the end of the archive."""
        return self._file.view[self._limit :]

    def open_path(self) -> str:
        """Return a path of the open file, "" where the archive is in memory.

        On Linux it leads to this file until `close`, even if the file is renamed, removed or replaced.
        """
        return self._file.open_path()

    def status(self) -> os.stat_result | None:
        """Return the status of the open file, None where the archive is in memory."""
        return self._file.status()

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a record of any size, in hexadecimal; one reading compares its CRC too.

        Raises ArchiveError.
        """
        return hash_of(self._compared(name))

    def checksums(self) -> str:
        """Return the digest of what the directory says of all records: see `Manifest`."""
        columns = self._members.columns()
        return checksums_of([*self._members], columns.crcs, columns.sizes)

    def hashes(self, names: Iterable[str]) -> Iterator[str]:
        """Give the SHA-256 of each of the records `names`, in hexadecimal; all are compared with their CRCs.

        They are read on all cores. Raises ArchiveError.
        """
        from hermpkg_build.archive.record_digests import digest_records

        for name, sha256, crc32, problem in digest_records(self, names):
            if problem is not None:
                raise problem
            self._compare(self.entry(name), crc32)
            yield sha256

    def sizes(self, names: Iterable[str]) -> list[int]:
        """Return how many bytes each of the records `names` has, unpacked, as the directory says.

        Whether a record is as the directory says is found out when it is read. Raises ArchiveError.
        """
        sizes = dict(zip(self._members, self._members.columns().sizes, strict=True))
        return [sizes[name] for name in names]

    def _find(self, names: Iterable[str]) -> None:
        """Find many records at once, best in the order of the file; none that is unusual or damaged."""
        entries = self._members.entries
        found = {name: entries[name] for name in names if name in entries and name not in self._offsets}
        folder = f"{self.root}/" if self.root else ""
        full_names = [(folder + name).encode() for name in found]
        places = sweep(self._file.read_at, full_names, found.values(), self._limit)
        self._offsets |= {name: place for name, place in zip(found, places, strict=True) if place >= 0}

    def _compared(self, name: str) -> Iterator[memoryview]:
        """Give what `pieces` gives, and compare it with the CRC behind the last. Raises ArchiveError."""
        crc32 = 0
        for piece in self.pieces(name):
            crc32 = zlib.crc32(piece, crc32)
            yield piece
        self._compare(self.entry(name), crc32)

    def private_views(
        self, mapped: bool | None = None, names: Sequence[str] = ()
    ) -> Callable[[str], memoryview]:
        """Return what gives the bytes of a record, writable, shaped (size,); see `private_parts`."""
        return self.private_parts(lambda whole: lambda start, stop: whole[start:stop], mapped, names)

    def private_parts(
        self, parts_of: Callable[[memoryview], PartMaker[_T]], mapped: bool | None, names: Sequence[str] = ()
    ) -> Callable[[str], _T]:
        """Return a function that gives what is made of the bytes of a record, from start to stop, writable.

        `parts_of` is called with memory, and returns what makes something of any part of it. Writing never
        changes the file. Where records are `mapped` (None: where the file has more than 16 MiB), all that are
        stored share one copy-on-write mapping, which reads a page from disk when it is touched and takes
        memory when it is written to; each part keeps it alive. What is written into the file later shows in
        it, and touching what was cut off ends the process. Otherwise they are copies, many of a file of at
        most 16 MiB one for all.

        The function raises ArchiveError for a copy, or a mapped record of at most 8 KiB, whose bytes have
        another CRC. Once the file was written over, it gives copies only. It is quick for storages in turn,
        and for `names`.
        """
        whole, compared = self._private_mapping(mapped), CHECKED
        part = None if whole is None else parts_of(whole)
        ahead, length = PartsAhead[_T](self._file), len(self._file.view)

        def make(names: Sequence[str]) -> None:
            nonlocal whole, compared, part
            names = [name for name in names if name in self._offsets]
            if whole is None and length <= COPIED and len(names) >= _MANY:
                whole, compared = memoryview(bytearray(self._file.read_at(0, length))), COPIED
                part = parts_of(whole)
            if whole is not None and part is not None and not self._file.was_written_over():
                spans = spans_within(whole, self._members, self._offsets, names, compared)
                ahead.keep({name: part(*span) for name, span in spans})

        def private_part(name: str) -> _T:
            found = ahead.take(name)
            if found is None:
                names = ahead.names_from(name)
                self._find(names)
                entry = self.entry(name)
                make(names)
                found = ahead.take(name)
            if found is None:
                copy = self._copy(entry)
                found = parts_of(copy)(0, len(copy))
            return found

        if names:
            self._find(names)
            make(names)
        return private_part

    def _private_mapping(self, mapped: bool | None) -> memoryview | None:
        """Return a copy-on-write mapping of the file, None where its records are to be copied."""
        if mapped is None:
            mapped = len(self._file.view) > COPIED
        if not mapped or not self._file.can_be_mapped or self._file.was_written_over():
            return None
        import logging

        logger = logging.getLogger("hermpkg_build.archive")
        logger.info("%s is mapped: large tensors are not compared with their checksums", self.name)
        return self._file.private_mapping()

    def release(self) -> None:
        """Close the file, which is opened again for each record that is read from now on.

        That raises ArchiveError where it has been removed, or the record changed. An archive in memory stays.
        """
        self._file.release()

    def close(self) -> None:
        """Close the file. Views stay usable; every other method raises ArchiveError from now on."""
        self._members = Members({})
        self._offsets = {}
        self._file.close()

    def _member(self, name: str) -> Member:
        if name not in self._members:
            raise self._no_record(name)
        return self._members[name]

    def _no_record(self, name: str) -> ArchiveError:
        return ArchiveError("the archive has no such record", facts=[("file", self.name), ("record", name)])

    def _data_offset(self, name: str, member: Member) -> int:
        """Return the offset of a member's bytes. Its local header must agree with the directory."""
        n: int
        x: int
        full_name = f"{self.root}/{name}" if self.root else name
        header = self._file.read_at(member.header, z.LOCAL.size + len(full_name.encode()))
        if len(header) < z.LOCAL.size:
            raise self._bad(name, "the file has become shorter since it was opened")
        signature, _, flags, method, _, _, _, _, _, n, x = z.LOCAL.unpack_from(header)
        if signature != z.LOCAL_SIGNATURE:
            raise self._bad(
                name, "its header is not where the directory says", ("offset", str(member.header))
            )
        if (flags | member.flags) & (z.FLAG_ENCRYPTED | z.FLAG_STRONG_ENCRYPTION | z.FLAG_MASKED_HEADERS):
            raise self._bad(name, "it is encrypted")
        if member.is_symlink:
            raise self._bad(name, "it is a symbolic link")
        if method != member.method:
            raise self._bad(name, "its header and the directory name different compression methods")
        if method not in (z.STORED, z.DEFLATED):
            way = z.METHOD_NAMES.get(method, f"method {method}")
            raise self._bad(name, "its compression method is not supported", ("method", way))
        start = member.header + z.LOCAL.size
        if start + n + x + member.packed_size > self._limit:
            raise self._bad(name, "it overlaps the directory")
        if len(header) < z.LOCAL.size + n:
            header = self._file.read_at(member.header, z.LOCAL.size + n)
        if decode_name(header[z.LOCAL.size : z.LOCAL.size + n], member.flags) != full_name:
            raise self._bad(name, "its header has another name than the directory")
        most = member.packed_size if method == z.STORED else member.packed_size * _MOST_INFLATION
        if member.size > most or (method == z.STORED and member.size != member.packed_size):
            raise self._bad(
                name,
                "its sizes contradict each other",
                ("packed", f"{member.packed_size} bytes"),
                ("unpacked", f"{member.size} bytes"),
            )
        if problem := problem_with_size(name, member.size, len(self._members)):
            raise self._bad(name, problem)
        return start + n + x

    def _copy(self, entry: Entry) -> memoryview:
        """Read a record into memory of its own, and compare it with its CRC."""
        if not entry.is_stored:
            return memoryview(bytearray(self.read(entry.name)))
        # Pages of its own for a large one, which the system fills with zeros only once.
        copy = memoryview(mmap.mmap(-1, entry.size) if entry.size >= _CHUNK else bytearray(entry.size))
        crc32 = 0
        for start in range(0, entry.size, _CHUNK):
            part = copy[start : start + _CHUNK]
            self._file.read_into(part, entry.offset + start)
            crc32 = zlib.crc32(part, crc32)
        self._compare(entry, crc32)
        return copy

    def _inflated(self, entry: Entry) -> Iterator[memoryview]:
        try:
            packed = self._file.view[entry.offset : entry.offset + entry.packed_size]
            if self._file.is_released:
                packed = memoryview(self._file.read_at(entry.offset, entry.packed_size))
            yield from inflated(packed, entry.size)
        except zlib.error as error:
            raise self._bad(entry.name, "its bytes cannot be decompressed", ("reason", str(error))) from None
        except ValueError as error:
            raise self._bad(
                entry.name,
                "its size is not the one in the directory",
                ("expected", f"{entry.size} bytes"),
                ("found", str(error)),
            ) from None

    def _check_read(self, entry: Entry, data: memoryview) -> None:
        def compare() -> None:
            self._compare(entry, zlib.crc32(data))

        compare() if self._check is None else self._check(entry.name, data, compare)

    def _compare(self, entry: Entry, crc32: int) -> None:
        if crc32 != entry.crc32:
            raise self._bad(
                entry.name,
                "its bytes do not match their checksum",
                ("expected", f"CRC-32 {entry.crc32:08x}"),
                ("found", f"CRC-32 {crc32:08x}"),
            )

    def _bad(self, record: str, what: str, *facts: tuple[str, str]) -> ArchiveError:
        if self._file.was_written_over():
            return ArchiveError(
                "the archive was written over or replaced since it was opened",
                facts=[("file", self.name), ("record", record)],
                next_step="open it again; write new versions beside it and rename them, as hermpkg does",
            )
        return ArchiveError(
            f"a record of the archive is damaged: {what}",
            facts=[("file", self.name), ("record", record), *facts],
            next_step="copy or build the archive again",
        )
