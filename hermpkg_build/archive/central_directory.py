"""Reads the central directory of a ZIP file: the names of its members, and where they lie."""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import islice, pairwise
from operator import le
from struct import Struct
from typing import NamedTuple

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.archive_file import ByteView
from hermpkg_build.archive.layout import LONGEST_NAME, problem_with_name
from hermpkg_build.archive.members import ENTRY, Member, Members, member_of
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ArchiveError

_SIGNATURE = z.CENTRAL_SIGNATURE.to_bytes(4, "little")
# The numbers of an entry, behind its signature, that tell where it and its member end.
_SIZES = Struct("<16xIIHHHH6xI")
# Finds a bad name among many, each of which stands between a slash and a line's end.
_SUSPICIOUS = re.compile(r"/\.{0,2}[/\n]")
_LONGEST_COMMENT = z.MAX_16


@dataclass(frozen=True, slots=True, kw_only=True)
class CentralDirectory:
    """The members of an archive by name, in their order; of several with one name the last counts.

    `start` is the offset of the directory, before which all members lie. `prefix` is the number of foreign
    bytes before the archive, which a self-extracting one has.
    """

    members: Members
    duplicates: tuple[str, ...]
    start: int
    prefix: int


class _End(NamedTuple):
    """The place of the directory, from the end records; `prefix` foreign bytes shift all offsets."""

    start: int
    size: int
    entries: int
    prefix: int


def read_central_directory(data: ByteView) -> CentralDirectory:
    """Read the central directory of the archive in `data`.

    Raises ArchiveError, without the name of the file, for a ZIP archive that is damaged, cut off or split
    over several disks, whose members overlap, or whose names lead out of a folder.
    """
    end = _find_end(data)
    directory = bytes(data[end.start : end.start + end.size])
    duplicates: tuple[str, ...] = ()
    members = _swept(directory, end)
    if members is None:
        members, duplicates = _walked(directory, end)
    _refuse_bad_names(members)
    return CentralDirectory(members=members, duplicates=duplicates, start=end.start, prefix=end.prefix)


def _swept(directory: bytes, end: _End) -> Members | None:
    """Read a directory without anything unusual, all entries in each of a few steps; None for any other.

    An archive may have tens of thousands of records, and this takes a third of the time of a loop.
    """
    before, *entries = directory.split(_SIGNATURE)
    fixed = b"".join([entry[: ENTRY.size] for entry in entries])
    count = len(entries)
    if before or not count or count != end.entries or end.prefix or len(fixed) != count * ENTRY.size:
        return None
    packed, sizes, n, x, c, disks, headers = map(list, zip(*_SIZES.iter_unpack(fixed), strict=True))
    # Where each entry is as long as it says, the signatures stood at the starts of entries and nowhere else.
    lengths = [ENTRY.size + a + b + d for a, b, d in zip(n, x, c, strict=True)]
    if any(disks) or list(map(len, entries)) != lengths:
        return None
    raw = [entry[ENTRY.size : ENTRY.size + a] for entry, a in zip(entries, n, strict=True)]
    try:
        text = b"\n".join(raw).decode()
    except UnicodeDecodeError:
        return None
    names = text.split("\n")
    found: dict[str, bytes | Member] = dict(zip(names, entries, strict=False))
    if len(names) != count or len(found) != count or "/\n" in text or text.endswith("/"):
        return None
    stops = [a + z.LOCAL.size + b + d for a, b, d in zip(headers, n, packed, strict=True)]
    if z.MAX_32 in (max(packed), max(sizes), max(headers)):
        for at, numbers in enumerate(zip(packed, sizes, headers, strict=True)):
            if z.MAX_32 in numbers:
                name, member, stops[at], _ = _read_entry(_SIGNATURE + entries[at], 0, end)
                found[name], headers[at] = member, member.header
    is_sound = stops[-1] <= end.start and all(map(le, stops, islice(headers, 1, None)))
    return Members(found) if is_sound else None


def _walked(directory: bytes, end: _End) -> tuple[Members, tuple[str, ...]]:
    """Read a directory entry by entry: its members, and the names that occur once more."""
    members: dict[str, bytes | Member] = {}
    duplicates: list[str] = []
    spans: list[tuple[int, int]] = []
    position = 0
    while position < len(directory):
        name, member, stop, position = _read_entry(directory, position, end)
        spans.append((member.header, stop))
        if name.endswith("/") and not member.size:
            continue
        if name in members:
            duplicates.append(name)
        members[name] = member
    if len(spans) != end.entries:
        raise _damaged(f"its directory has {len(spans)} entries, its end record says {end.entries}")
    _refuse_overlaps(spans)
    return Members(members), tuple(duplicates)


def _read_entry(directory: bytes, position: int, end: _End) -> tuple[str, Member, int, int]:
    """Read the entry at `position`: its name, the member, where that ends, and where the entry does."""
    if position + z.CENTRAL.size > len(directory):
        raise _damaged("its directory ends in the middle of an entry")
    if not directory.startswith(_SIGNATURE, position):
        raise _damaged(f"no directory entry where one should be, at offset {end.start + position}")
    fixed = position + len(_SIGNATURE)
    packed, size, n, x, c, disk, header = _SIZES.unpack_from(directory, fixed)
    start = position + z.CENTRAL.size
    following = start + n + x + c
    if following > len(directory):
        raise _damaged("its directory ends in the middle of an entry")
    member = member_of(directory[fixed:following])
    name = decode_name(directory[start : start + n], member.flags)
    if packed == z.MAX_32 or size == z.MAX_32 or header == z.MAX_32 or disk == z.MAX_16:
        size, packed, header, disk = _large_fields(name, member.extra, size, packed, header, disk)
    if disk:
        raise _damaged("it is one part of an archive on several disks")
    header += end.prefix
    stop = header + z.LOCAL.size + n + packed
    if stop > end.start:
        raise _damaged("a record reaches beyond the space for records", ("record", name))
    return name, member._replace(packed_size=packed, size=size, header=header), stop, following


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
    text = "\n/".join(["", *names, ""])
    if is_short and "\\" not in text and "\0" not in text and not _SUSPICIOUS.search(text):
        return
    for name in names:
        if problem := problem_with_name(name):
            raise _damaged(
                "a record has a name that is not allowed", ("record", _shown(name)), ("reason", problem)
            )


def _shown(name: str) -> str:
    return repr(name if len(name) <= LONGEST_NAME else f"{name[:LONGEST_NAME]}...")


def _find_end(data: ByteView) -> _End:
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


def _read_end(data: ByteView, position: int, fields: tuple[int, ...]) -> _End:
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


def _read_zip64_end(data: ByteView, locator: int) -> tuple[int, tuple[int, ...]]:
    """Where the ZIP64 end record starts, and its fields."""
    _, disk, stated, disks = z.ZIP64_LOCATOR.unpack(data[locator : locator + z.ZIP64_LOCATOR.size])
    if disk or disks > 1:
        raise _damaged("it is one part of an archive on several disks")
    # Right before the locator is where it is, also behind foreign bytes; where it has further
    # data of its own, the stated offset counts.
    for start in (locator - z.ZIP64_END.size, stated):
        if 0 <= start <= locator - z.ZIP64_END.size:
            fields = z.ZIP64_END.unpack(data[start : start + z.ZIP64_END.size])
            if fields[0] == z.ZIP64_END_SIGNATURE and start + 12 + fields[1] == locator:
                return start, fields
    raise _damaged("its ZIP64 end record is missing")


def _damaged(what: str, *facts: tuple[str, str]) -> ArchiveError:
    return ArchiveError(f"the archive is damaged: {what}", facts=facts)
