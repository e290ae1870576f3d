"""Reads the central directory of a ZIP file: the names of its members, and where they lie."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from struct import Struct
from typing import NamedTuple

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.layout import LONGEST_NAME, problem_with_name
from hermpkg_build.errors import ArchiveError

# CENTRAL with time and date as one number, without the fields that no reader needs.
_CENTRAL = Struct("<IxBxxHHIIIIHHHH2xII")
# Finds a bad name among many, each of which stands between a slash and a line's end.
_SUSPICIOUS = re.compile(r"[\\\0]|/\.{0,2}[/\n]")
_UNIX = 3
_SYMLINK = 0o120000
_FILE_TYPE = 0o170000
_LONGEST_COMMENT = z.MAX_16


class Member(NamedTuple):
    """One entry of the central directory; `header` is where its local header starts in the file.

    `stamp` is the DOS time and, in its upper half, the date; `mode` that of Unix, 0 in an entry from another
    system; `comment` the length of the comment, `extra` the extra fields.
    """

    flags: int
    method: int
    stamp: int
    crc32: int
    packed_size: int
    size: int
    mode: int
    header: int
    comment: int
    extra: bytes

    @property
    def is_symlink(self) -> bool:
        """Whether the member is a symbolic link."""
        return self.mode & _FILE_TYPE == _SYMLINK


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralDirectory:
    """The members of an archive by name, in their order; of several with one name the last counts.

    `start` is the offset of the directory, before which all members lie. `prefix` is the number of foreign
    bytes before the archive, which a self-extracting one has.
    """

    members: dict[str, Member]
    duplicates: tuple[str, ...]
    start: int
    prefix: int


class _End(NamedTuple):
    """The place of the directory, from the end records; `prefix` foreign bytes shift all offsets."""

    start: int
    size: int
    entries: int
    prefix: int


def read_central_directory(data: memoryview) -> CentralDirectory:
    """Read the central directory of the archive in `data`.

    Raises ArchiveError, without the name of the file, for a ZIP archive that is damaged, cut off or split
    over several disks, whose members overlap, or whose names lead out of a folder.
    """
    end = _find_end(data)
    directory = bytes(data[end.start : end.start + end.size])
    members: dict[str, Member] = {}
    duplicates: list[str] = []
    spans: list[tuple[int, int]] = []
    position = 0
    while position < len(directory):
        if position + _CENTRAL.size > len(directory):
            raise _damaged("its directory ends in the middle of an entry")
        signature, made_by, flags, method, stamp, crc32, packed, size, n, x, c, disk, external, header = (
            _CENTRAL.unpack_from(directory, position)
        )
        if signature != z.CENTRAL_SIGNATURE:
            raise _damaged(f"no directory entry where one should be, at offset {end.start + position}")
        position += _CENTRAL.size
        following = position + n + x + c
        if following > len(directory):
            raise _damaged("its directory ends in the middle of an entry")
        name = decode_name(directory[position : position + n], flags)
        extra = directory[position + n : position + n + x]
        if packed == z.MAX_32 or size == z.MAX_32 or header == z.MAX_32 or disk == z.MAX_16:
            size, packed, header, disk = _large_fields(name, extra, size, packed, header, disk)
        if disk:
            raise _damaged("it is one part of an archive on several disks")
        header += end.prefix
        stop = header + z.LOCAL.size + n + packed
        if stop > end.start:
            raise _damaged("a record reaches beyond the space for records", ("record", name))
        spans.append((header, stop))
        position = following
        if name.endswith("/") and not size:
            continue
        if name in members:
            duplicates.append(name)
        mode = external >> 16 if made_by == _UNIX else 0
        members[name] = Member(flags, method, stamp, crc32, packed, size, mode, header, c, extra)
    if len(spans) != end.entries:
        raise _damaged(f"its directory has {len(spans)} entries, its end record says {end.entries}")
    _refuse_overlaps(spans)
    _refuse_bad_names(members)
    return CentralDirectory(members=members, duplicates=tuple(duplicates), start=end.start, prefix=end.prefix)


def decode_name(raw: bytes, flags: int) -> str:
    """Decode the name in a header. It may be UTF-8 without the flag that says so: zip on Linux does that."""
    try:
        return raw.decode()
    except UnicodeDecodeError:
        if flags & z.FLAG_UTF8:
            raise _damaged(
                "a record's name is not the UTF-8 it claims to be", ("record", repr(raw))
            ) from None
        return raw.decode("cp437")


def _large_fields(
    name: str, extra: bytes, size: int, packed: int, header: int, disk: int
) -> tuple[int, int, int, int]:
    """The four fields of an entry, each from the ZIP64 extra field where the entry says so [4.5.3]."""
    position = 0
    while position + z.EXTRA.size <= len(extra):
        identifier, length = z.EXTRA.unpack_from(extra, position)
        position += z.EXTRA.size
        if identifier == z.ZIP64_EXTRA:
            field = extra[position : position + length]
            values: list[int] = []
            for value, width, limit in (
                (size, 8, z.MAX_32),
                (packed, 8, z.MAX_32),
                (header, 8, z.MAX_32),
                (disk, 4, z.MAX_16),
            ):
                if value == limit:
                    if len(field) < width:
                        raise _damaged("a record's ZIP64 sizes are incomplete", ("record", name))
                    value, field = int.from_bytes(field[:width], "little"), field[width:]
                values.append(value)
            return values[0], values[1], values[2], values[3]
        position += length
    if disk == z.MAX_16 or header == z.MAX_32:
        raise _damaged("a record's ZIP64 sizes are missing", ("record", name))
    # A record of exactly 4 GiB - 1 needs no ZIP64 field.
    return size, packed, header, disk


def _refuse_overlaps(spans: list[tuple[int, int]]) -> None:
    spans.sort()
    for (_, stop), (start, _) in pairwise(spans):
        if start < stop:
            raise _damaged(f"two records overlap at offset {start}")


def _refuse_bad_names(names: Collection[str]) -> None:
    # One search over all names at once, which is quick, finds nothing in nearly every archive.
    is_short = max(map(len, names), default=0) <= LONGEST_NAME
    if is_short and not _SUSPICIOUS.search("\n/".join(["", *names, ""])):
        return
    for name in names:
        if problem := problem_with_name(name):
            raise _damaged(
                "a record has a name that is not allowed", ("record", _shown(name)), ("reason", problem)
            )


def _shown(name: str) -> str:
    return repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...")


def _find_end(data: memoryview) -> _End:
    """The end record: the last whose comment ends with the file and that points at a directory."""
    if not data:
        raise ArchiveError("the file is empty")
    tail = bytes(data[-(z.END.size + _LONGEST_COMMENT) :])
    signature = z.END_SIGNATURE.to_bytes(4, "little")
    problem: ArchiveError | None = None
    candidate = tail.rfind(signature)
    while candidate >= 0:
        if candidate + z.END.size <= len(tail):
            fields = z.END.unpack_from(tail, candidate)
            if candidate + z.END.size + fields[7] == len(tail):
                try:
                    return _read_end(data, len(data) - len(tail) + candidate, fields)
                except ArchiveError as error:
                    problem = problem or error
        candidate = tail.rfind(signature, 0, candidate)
    if problem is not None:
        raise problem
    if bytes(data[:4]) == z.LOCAL_SIGNATURE.to_bytes(4, "little"):
        raise ArchiveError(
            "the archive is cut off: its directory, at the end of the file, is missing",
            facts=[("size", f"{len(data)} bytes")],
            next_step="copy or download the file again",
        )
    raise ArchiveError("the file is not a ZIP archive", facts=[("starts with", repr(bytes(data[:8])))])


def _read_end(data: memoryview, position: int, fields: tuple[int, ...]) -> _End:
    _, disk, directory_disk, here, count, size, start, _ = fields
    directory_end = position
    locator = position - z.ZIP64_LOCATOR.size
    if locator >= 0 and data[locator : locator + 4] == z.ZIP64_LOCATOR_SIGNATURE.to_bytes(4, "little"):
        directory_end, large = _read_zip64_end(data, locator)
        _, _, _, _, disk, directory_disk, here, count, size, start = large
    elif z.MAX_32 in (size, start):
        raise _damaged("its ZIP64 end record is missing")
    if disk or directory_disk or here != count:
        raise _damaged("it is one part of an archive on several disks")
    prefix = directory_end - size - start
    if prefix < 0:
        raise _damaged(
            "its directory lies outside the file",
            ("directory", f"{size} bytes from offset {start}"),
            ("ends before", f"offset {directory_end}"),
        )
    if count and bytes(data[start + prefix : start + prefix + 4]) != z.CENTRAL_SIGNATURE.to_bytes(
        4, "little"
    ):
        raise _damaged(f"no directory where it should be, at offset {start + prefix}")
    return _End(start + prefix, size, count, prefix)


def _read_zip64_end(data: memoryview, locator: int) -> tuple[int, tuple[int, ...]]:
    """Where the ZIP64 end record starts, and its fields."""
    _, disk, stated, disks = z.ZIP64_LOCATOR.unpack_from(data, locator)
    if disk or disks > 1:
        raise _damaged("it is one part of an archive on several disks")
    # Right before the locator is where it is, also behind foreign bytes; where it has further
    # data of its own, the stated offset counts.
    for start in (locator - z.ZIP64_END.size, stated):
        if 0 <= start <= locator - z.ZIP64_END.size:
            fields = z.ZIP64_END.unpack_from(data, start)
            if fields[0] == z.ZIP64_END_SIGNATURE and start + 12 + fields[1] == locator:
                return start, fields
    raise _damaged("its ZIP64 end record is missing")


def _damaged(what: str, *facts: tuple[str, str]) -> ArchiveError:
    return ArchiveError(f"the archive is damaged: {what}", facts=facts)
