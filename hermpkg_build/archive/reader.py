"""Reads archives: maps the file, finds records by name, compares them with their checksums."""

from __future__ import annotations

import io
import mmap
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias, final

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.central_directory import Member, decode_name, read_central_directory
from hermpkg_build.archive.layout import VERSION_RECORD, problem_with_size
from hermpkg_build.archive.pieces import inflated, pieces
from hermpkg_build.core.closing import Closing
from hermpkg_build.errors import ArchiveError

__all__ = ["ArchiveReader", "ArchiveSource", "Entry"]

ArchiveSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO

# Deflate packs at most so many bytes into one; a record that claims more is damaged.
_MOST_INFLATION = 1032
_MOST_USUAL_INFLATION = 64
_LARGEST_INFLATED = 16 << 20


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

    `source` is a path, bytes, or a binary stream, which is read whole. Opening reads the directory only.

    Records are named without the root folder. `root` is that folder, "" for an archive that was packed again
    without it; `duplicates` are names that occur more than once, of which the last counts, as in zipfile;
    `strays` are the names of members outside the root folder, which are not records; `prefix` is the number
    of foreign bytes before the archive.
    Raises ArchiveError where the source is missing, not an archive, or damaged.

    >>> from hermpkg_build.archive.writer import Record, stream_archive
    >>> stream = io.BytesIO()
    >>> stream_archive(stream, root="net", records=[Record(name="a.txt", content=b"hello")])
    >>> with ArchiveReader(stream) as archive:
    ...     archive.root, archive.names(), archive.read("a.txt")
    ('net', ['a.txt'], b'hello')
    """

    def __init__(self, source: ArchiveSource) -> None:
        self.name = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "<buffer>"
        self._path = ""
        self._map: mmap.mmap | None = None
        self._descriptor = -1
        self._members: dict[str, Member] = {}
        self._entries: dict[str, Entry] = {}
        self._data = self._open(source)
        try:
            central = read_central_directory(self._data)
            self.root = _root_of(central.members)
            folder = f"{self.root}/" if self.root else ""
            self.strays = tuple(name for name in central.members if not name.startswith(folder))
            _refuse_second_root(self.root, self.strays)
        except ArchiveError as error:
            self.close()
            raise error.in_file(self.name) from None
        self.prefix = central.prefix
        self._limit = central.start
        skip = len(folder)
        self._members = {
            name[skip:]: member for name, member in central.members.items() if name.startswith(folder)
        }
        self.duplicates = tuple(name[skip:] for name in central.duplicates if name.startswith(folder))

    def names(self) -> Sequence[str]:
        """Return the names of all records, in the archive's order; folders are not records."""
        return list(self._members)

    def has(self, name: str) -> bool:
        """Whether there is a record `name`."""
        return name in self._members

    def entry(self, name: str) -> Entry:
        """Return the place of the record `name`. Raises ArchiveError where it is missing or damaged."""
        entry = self._entries.get(name)
        if entry is None:
            member = self._member(name)
            entry = self._entries[name] = Entry(
                name=name,
                offset=self._data_offset(name, member),
                size=member.size,
                packed_size=member.packed_size,
                crc32=member.crc32,
                is_stored=member.method == z.STORED,
            )
        return entry

    def size(self, name: str) -> int:
        """Return the number of bytes of the record `name`, unpacked. Raises ArchiveError."""
        return self.entry(name).size

    def read(self, name: str) -> bytes:
        """Return the bytes of the record `name`, compared with their CRC. Raises ArchiveError."""
        entry = self.entry(name)
        packed = self._data[entry.offset : entry.offset + entry.packed_size]
        data = bytes(packed) if entry.is_stored else b"".join(self._inflated(entry))
        self._compare(entry, zlib.crc32(data))
        return data

    def pieces(self, name: str) -> Iterator[memoryview]:
        """Give the bytes of the record `name` in pieces of one MiB, the last one shorter.

        They are not compared with their CRC. No more than a piece of a deflated record is in memory. Raises
        ArchiveError.
        """
        entry = self.entry(name)
        return pieces(self.view(name)) if entry.is_stored else self._inflated(entry)

    def view(self, name: str) -> memoryview:
        """Return the bytes of the record `name`, read-only, shaped (size,).

        They are *not* compared with their CRC. Those of a stored record are the mapped file itself, and stay
        usable after `close`.
        Raises ArchiveError.
        """
        entry = self.entry(name)
        if not entry.is_stored:
            return memoryview(self.read(name))
        return self._data[entry.offset : entry.offset + entry.size].toreadonly()

    def raw(self) -> memoryview:
        """Return the whole file, read-only, shaped (size,); usable after `close` where it is mapped."""
        return self._data.toreadonly()

    def directory(self) -> memoryview:
        """Return the bytes of the central directory, to the end of the archive."""
        return self._data[self._limit :]

    def open_path(self) -> str:
        """Return a path of the open file, "" where the archive is in memory.

        On Linux it leads to this file until `close`, even if the file is renamed, removed or replaced.
        """
        if self._descriptor < 0:
            return ""
        path = f"/proc/self/fd/{self._descriptor}"
        return path if os.path.exists(path) else self._path

    def status(self) -> os.stat_result | None:
        """Return the status of the open file, None where the archive is in memory."""
        return os.fstat(self._descriptor) if self._descriptor >= 0 else None

    def check(self, name: str) -> None:
        """Compare a record of any size with its CRC, a piece at a time. Raises ArchiveError."""
        crc32 = 0
        for piece in self.pieces(name):
            crc32 = zlib.crc32(piece, crc32)
        self._compare(self.entry(name), crc32)

    def private_views(self) -> Callable[[str], memoryview]:
        """Return a function that gives the bytes of a record, writable, shaped (size,), unchecked.

        Writing to them never changes the file. All stored records of a file share one copy-on-write mapping,
        which reads a page from disk when it is touched and takes memory when it is written to. Each view
        keeps the mapping alive. The function raises ArchiveError.
        """
        whole: memoryview | None = None
        if self._descriptor >= 0:
            # NORESERVE: an archive may be larger than the memory, most of it is never written to.
            flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
            access = mmap.PROT_READ | mmap.PROT_WRITE
            whole = memoryview(mmap.mmap(self._descriptor, len(self._data), flags=flags, prot=access))

        def private_view(name: str) -> memoryview:
            entry = self.entry(name)
            if whole is not None and entry.is_stored:
                return whole[entry.offset : entry.offset + entry.size]
            return memoryview(bytearray(self.view(name)))

        return private_view

    def close(self) -> None:
        """Close the file. Views stay usable; every other method raises ArchiveError from now on."""
        self._members = {}
        self._entries = {}
        self._data = memoryview(b"")
        if self._map is not None:
            # The mapping lives as long as there are views of it.
            with suppress(BufferError):
                self._map.close()
            self._map = None
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def __del__(self) -> None:
        # Nobody else closes the descriptor; __init__ may have failed before it was set.
        if getattr(self, "_descriptor", -1) >= 0:
            self.close()

    def _open(self, source: ArchiveSource) -> memoryview:
        if isinstance(source, (str, os.PathLike)):
            try:
                return self._map_file(os.fspath(source))
            except OSError as error:
                raise ArchiveError(
                    "the archive cannot be opened",
                    facts=[("file", self.name), ("reason", error.strerror or str(error))],
                ) from error
        if isinstance(source, io.BytesIO):
            # Not getbuffer(): with an open view the owner could neither write to the stream nor close it.
            return memoryview(source.getvalue())
        if isinstance(source, (bytes, bytearray, memoryview)):
            return memoryview(source).cast("B")
        source.seek(0)
        return memoryview(source.read())

    def _map_file(self, path: str) -> memoryview:
        # To open a pipe or a device could block, so its kind is asked for first.
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
            raise ArchiveError(f"the archive is {kind}, not a file", facts=[("file", path)])
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._path = os.path.abspath(path)
        size = os.fstat(self._descriptor).st_size
        if not size:
            return memoryview(b"")
        self._map = mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ)
        return memoryview(self._map)

    def _member(self, name: str) -> Member:
        member = self._members.get(name)
        if member is None:
            raise ArchiveError(
                "the archive has no such record", facts=[("file", self.name), ("record", name)]
            )
        return member

    def _data_offset(self, name: str, member: Member) -> int:
        """Return the offset of a member's bytes. Its local header must agree with the directory."""
        n: int
        x: int
        full_name = f"{self.root}/{name}" if self.root else name
        header = self._read_header(member.header, z.LOCAL.size + len(full_name.encode()))
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
            header = self._read_header(member.header, z.LOCAL.size + n)
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

    def _read_header(self, start: int, size: int) -> bytes:
        """Read `size` bytes from `start` on, not through the mapping.

        The kernel also maps the pages around one that is touched, so that headers that are read through the
        mapping would take 64 KiB of memory for each tensor, used or not.
        """
        if self._descriptor < 0:
            return bytes(self._data[start : start + size])
        return os.pread(self._descriptor, size, start)

    def _inflated(self, entry: Entry) -> Iterator[memoryview]:
        try:
            yield from inflated(self._data[entry.offset : entry.offset + entry.packed_size], entry.size)
        except zlib.error as error:
            raise self._bad(entry.name, "its bytes cannot be decompressed", ("reason", str(error))) from None
        except ValueError as error:
            raise self._bad(
                entry.name,
                "its size is not the one in the directory",
                ("expected", f"{entry.size} bytes"),
                ("found", str(error)),
            ) from None

    def _compare(self, entry: Entry, crc32: int) -> None:
        if crc32 != entry.crc32:
            raise self._bad(
                entry.name,
                "its bytes do not match their checksum",
                ("expected", f"CRC-32 {entry.crc32:08x}"),
                ("found", f"CRC-32 {crc32:08x}"),
            )

    def _bad(self, record: str, what: str, *facts: tuple[str, str]) -> ArchiveError:
        return ArchiveError(
            f"a record of the archive is damaged: {what}",
            facts=[("file", self.name), ("record", record), *facts],
            next_step="copy or build the archive again",
        )


def _root_of(members: dict[str, Member]) -> str:
    """Return the root folder: that of the version record, else the first segment, which all names share."""
    if VERSION_RECORD in members:
        return ""
    for name in members:
        folder, slash, rest = name.partition("/")
        if slash and rest in (VERSION_RECORD, "version"):
            return folder
    shared = {name.partition("/")[0] for name in members}
    if len(shared) == 1 and all("/" in name for name in members):
        return shared.pop()
    raise ArchiveError(
        "the archive is not an artifact: its records do not lie in one root folder",
        facts=[("records", ", ".join(list(members)[:5]) or "none")],
    )


def _refuse_second_root(root: str, strays: Sequence[str]) -> None:
    """Refuse an archive in which others may see another artifact, as each reader chooses a root."""
    for name in strays:
        folder, _, rest = name.partition("/")
        if rest == VERSION_RECORD:
            raise ArchiveError(
                "the archive holds several artifacts, each in a root folder of its own",
                facts=[("folders", f"{root}, {folder}")],
                next_step="take one out, but trust neither if it was sent to you",
            )
