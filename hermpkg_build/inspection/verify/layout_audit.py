"""Checks that an archive has the one layout that hermpkg writes, without hidden bytes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.central_directory import CentralDirectory, read_central_directory
from hermpkg_build.archive.members import Member
from hermpkg_build.archive.plan import ALIGNMENT, LAYOUT, Layout, plan_archive
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.records import FileSlice, Record
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ArchiveError

LAYOUTS = (LAYOUT, Layout(storages_first=False, paged_from=math.inf))
"""What this version writes, and what earlier ones wrote."""

_NO_TIME = 0x0021 << 16
_MODE = 0o100644


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A rule that an archive breaks, and what was found. `record` is "" for the file as a whole."""

    record: str
    rule: str
    found: str


def audit_layout(reader: ArchiveReader) -> Iterator[Problem]:
    """Return the problems of the layout of an open archive.

    Where no finer check finds any, the layout is computed from names and contents, as for writing, and
    compared with the bytes of the file.
    """
    found = list(_problems(reader))
    yield from found
    if not found:
        yield from _other_bytes(reader)


def _problems(reader: ArchiveReader) -> Iterator[Problem]:
    if reader.prefix:
        yield Problem(record="", rule="nothing hidden", found=f"{reader.prefix} bytes before the archive")
    for name in reader.duplicates:
        yield Problem(record=name, rule="one record a name", found="the name occurs more than once")
    for name in reader.strays:
        yield Problem(record=name, rule="one root folder", found=f"lies outside of {reader.root}/")
    data = reader.raw()
    central = read_central_directory(data)
    names = list(reader.names())
    if not any(layout.in_order(names) == names for layout in LAYOUTS):
        other, right = next(
            pair for pair in zip(names, LAYOUT.in_order(names), strict=True) if pair[0] != pair[1]
        )
        yield Problem(record=other, rule="in order", found=f"lies where {right} should")
    for name, member in central.members.items():
        yield from _problems_of_entry(name, member)
    yield from _problems_between(data, central)
    yield from _problems_at_the_end(data)


def _extra_fields(extra: bytes) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    position = 0
    while position + z.EXTRA.size <= len(extra):
        kind, length = z.EXTRA.unpack_from(extra, position)
        position += z.EXTRA.size
        fields[kind] = extra[position : position + length]
        position += length
    return fields


def _problems_of_entry(name: str, member: Member) -> Iterator[Problem]:
    if member.method != z.STORED:
        yield Problem(record=name, rule="stored", found="is compressed")
    if member.stamp != _NO_TIME:
        yield Problem(record=name, rule="no time", found=f"carries the time {_time_text(member.stamp)}")
    if member.mode != _MODE:
        yield Problem(record=name, rule="mode 0644", found=f"has the mode {member.mode:o}")
    if member.comment:
        yield Problem(record=name, rule="nothing hidden", found=f"a comment of {member.comment} bytes")
    if _extra_fields(member.extra).keys() - {z.ZIP64_EXTRA}:
        yield Problem(record=name, rule="nothing hidden", found="foreign fields in the directory")


def _time_text(stamp: int) -> str:
    date, time = divmod(stamp, 1 << 16)
    day = f"{1980 + (date >> 9)}-{(date >> 5) & 15:02}-{date & 31:02}"
    return f"{day} {time >> 11:02}:{(time >> 5) & 63:02}:{(time & 31) * 2:02}"


def _problems_between(data: memoryview, central: CentralDirectory) -> Iterator[Problem]:
    """Check the records in the order in which they lie in the file, from its start to the directory."""
    expected = 0
    for name, member in sorted(central.members.items(), key=lambda item: item[1].header):
        if member.header != expected:
            found = f"{member.header - expected} bytes before its header"
            yield Problem(record=name, rule="nothing hidden", found=found)
        flags, method, time, date, crc32, _, _, n, x = z.LOCAL.unpack_from(data, member.header)[2:]
        start = member.header + z.LOCAL.size
        extra = bytes(data[start + n : start + n + x])
        if flags & 0x0008:
            yield Problem(record=name, rule="headers agree", found="its sizes follow its bytes")
        elif (method, crc32) != (member.method, member.crc32):
            yield Problem(record=name, rule="headers agree", found="its header and the directory disagree")
        if date << 16 | time != member.stamp:
            yield Problem(record=name, rule="no time", found="its header carries another time")
        foreign = {
            kind: value
            for kind, value in _extra_fields(extra).items()
            if kind != z.ZIP64_EXTRA and not (kind == z.ALIGNMENT_EXTRA and not any(value[2:]))
        }
        if foreign:
            size = sum(map(len, foreign.values()))
            yield Problem(record=name, rule="nothing hidden", found=f"{size} bytes in its header")
        payload = start + n + x
        if member.method == z.STORED and payload % ALIGNMENT:
            found = f"its bytes start at {payload}"
            yield Problem(record=name, rule=f"aligned to {ALIGNMENT}", found=found)
        expected = payload + member.packed_size
    if expected != central.start:
        found = f"{central.start - expected} bytes before the directory"
        yield Problem(record="", rule="nothing hidden", found=found)


def _problems_at_the_end(data: memoryview) -> Iterator[Problem]:
    """Find a comment, which is all that can follow the end record of an archive that opens."""
    tail = bytes(data[-(z.END.size + z.MAX_16) :])
    place = tail.rfind(z.END_SIGNATURE.to_bytes(4, "little"))
    behind = len(tail) - place - z.END.size
    if behind > 0:
        yield Problem(record="", rule="nothing hidden", found=f"{behind} bytes behind the archive")


def _other_bytes(reader: ArchiveReader) -> Iterator[Problem]:
    """Find the first header that differs from the one that hermpkg writes, or an earlier version wrote."""
    found: list[Problem] = []
    for layout in LAYOUTS:
        found = [*_other_bytes_than(layout, reader)]
        if not found:
            return
    yield from found


def _other_bytes_than(layout: Layout, reader: ArchiveReader) -> Iterator[Problem]:
    data = reader.raw()
    position = 0
    try:
        records = [_as_record(reader, name) for name in reader.names()]
        for piece in plan_archive(reader.root, records, layout):
            if isinstance(piece, FileSlice):
                position += piece.size
                continue
            expected = bytes(piece)
            if bytes(data[position : position + len(expected)]) != expected:
                found = f"other bytes than hermpkg writes, in the header at {position}"
                yield Problem(record="", rule="canonical layout", found=found)
                return
            position += len(expected)
    except ArchiveError as error:
        yield Problem(record="", rule="canonical layout", found=error.summary)
        return
    if position != len(data):
        yield Problem(record="", rule="canonical layout", found=f"{len(data) - position} bytes more")


def _as_record(reader: ArchiveReader, name: str) -> Record:
    entry = reader.entry(name)
    content = FileSlice(path=reader.name, offset=entry.offset, size=entry.size)
    return Record(name=name, content=content, crc32=entry.crc32)
