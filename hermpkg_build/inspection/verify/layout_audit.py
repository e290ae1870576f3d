"""Holds an archive's file to the one layout that its records can have: nothing between, behind or beside."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.central import decode_name, read_central_directory
from hermpkg_build.archive.plan import ALIGNMENT, plan_archive
from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.archive.records import FileSlice, Record
from hermpkg_build.errors import ArchiveError

_NO_TIME = (0, 0x0021)
_MODE = 0o100644


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong with an archive. `record` is "" for the file as a whole."""

    record: str
    rule: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Listed:
    """A record as the directory lists it, and where its parts lie in the file."""

    name: str
    header: int
    method: int
    crc32: int
    stamp: tuple[int, int]
    mode: int
    comment: int
    foreign_extra: bool


def audit_layout(reader: ArchiveReader) -> Iterator[Problem]:
    """What is wrong with the layout of an archive that `reader` could open.

    The layout is computed again from names and contents, as the writer computes it; where the file's
    bytes differ from that and no finer check has said why, the first byte that differs is named.
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
    listed = list(_listed(data, central.start, central.prefix))
    names = [record.name.encode() for record in listed]
    if names != sorted(names):
        late = next(b for a, b in pairwise(names) if a > b)
        yield Problem(record=late.decode(), rule="sorted by name", found="comes after a later name")
    for record in listed:
        yield from _problems_of_entry(record)
    yield from _problems_between(reader, data, listed, central.start)
    yield from _problems_at_the_end(data)


def _listed(data: memoryview, start: int, prefix: int) -> Iterator[_Listed]:
    """The entries of the directory, which `read_central_directory` has found sound."""
    position = start
    while bytes(data[position : position + 4]) == z.CENTRAL_SIGNATURE.to_bytes(4, "little"):
        fields = z.CENTRAL.unpack_from(data, position)
        flags, method, time, date, crc32 = fields[3:8]
        n, x, c = fields[10:13]
        external, header = fields[15], fields[16]
        position += z.CENTRAL.size
        extra = bytes(data[position + n : position + n + x])
        yield _Listed(
            name=decode_name(bytes(data[position : position + n]), flags),
            header=_large_offset(extra, fields[8], fields[9], header) + prefix,
            method=method,
            crc32=crc32,
            stamp=(time, date),
            mode=external >> 16,
            comment=c,
            foreign_extra=any(kind != z.ZIP64_EXTRA for kind in _extra_fields(extra)),
        )
        position += n + x + c


def _large_offset(extra: bytes, packed: int, size: int, header: int) -> int:
    """The offset of a local header, from the ZIP64 field where it does not fit."""
    if header != z.MAX_32:
        return header
    skip = 8 * ((packed == z.MAX_32) + (size == z.MAX_32))
    field = _extra_fields(extra).get(z.ZIP64_EXTRA, b"")[skip : skip + 8]
    return int.from_bytes(field, "little")


def _extra_fields(extra: bytes) -> dict[int, bytes]:
    fields: dict[int, bytes] = {}
    position = 0
    while position + z.EXTRA.size <= len(extra):
        kind, length = z.EXTRA.unpack_from(extra, position)
        position += z.EXTRA.size
        fields[kind] = extra[position : position + length]
        position += length
    return fields


def _problems_of_entry(record: _Listed) -> Iterator[Problem]:
    if record.method != z.STORED:
        yield Problem(record=record.name, rule="stored", found="is compressed")
    if record.stamp != _NO_TIME:
        yield Problem(
            record=record.name, rule="no time", found=f"carries the time {_time_text(record.stamp)}"
        )
    if record.mode != _MODE:
        yield Problem(record=record.name, rule="mode 0644", found=f"has the mode {record.mode:o}")
    if record.comment:
        yield Problem(record=record.name, rule="nothing hidden", found=f"a comment of {record.comment} bytes")
    if record.foreign_extra:
        yield Problem(record=record.name, rule="nothing hidden", found="foreign fields in the directory")


def _time_text(stamp: tuple[int, int]) -> str:
    time, date = stamp
    day = f"{1980 + (date >> 9)}-{(date >> 5) & 15:02}-{date & 31:02}"
    return f"{day} {time >> 11:02}:{(time >> 5) & 63:02}:{(time & 31) * 2:02}"


def _problems_between(
    reader: ArchiveReader, data: memoryview, listed: list[_Listed], directory: int
) -> Iterator[Problem]:
    """Follow the records as they lie in the file, from its start to the directory."""
    expected = 0
    for record in sorted(listed, key=lambda record: record.header):
        if record.header != expected:
            gap = record.header - expected
            yield Problem(record=record.name, rule="nothing hidden", found=f"{gap} bytes before its header")
        fields = z.LOCAL.unpack_from(data, record.header)
        flags, method, time, date, crc32, _, _, n, x = fields[2:]
        start = record.header + z.LOCAL.size
        extra = bytes(data[start + n : start + n + x])
        if flags & 0x0008:
            yield Problem(record=record.name, rule="headers agree", found="its sizes follow its bytes")
        elif (method, crc32) != (record.method, record.crc32):
            yield Problem(
                record=record.name, rule="headers agree", found="its header and the directory disagree"
            )
        if (time, date) != record.stamp:
            yield Problem(record=record.name, rule="no time", found="its header carries another time")
        foreign = {
            kind: value
            for kind, value in _extra_fields(extra).items()
            if kind != z.ZIP64_EXTRA and not (kind == z.ALIGNMENT_EXTRA and not any(value[2:]))
        }
        if foreign:
            size = sum(map(len, foreign.values()))
            yield Problem(record=record.name, rule="nothing hidden", found=f"{size} bytes in its header")
        payload = start + n + x
        if record.method == z.STORED and payload % ALIGNMENT:
            found = f"its bytes start at {payload}"
            yield Problem(record=record.name, rule=f"aligned to {ALIGNMENT}", found=found)
        expected = payload + _packed_size(reader, record)
    if expected != directory:
        found = f"{directory - expected} bytes before the directory"
        yield Problem(record="", rule="nothing hidden", found=found)


def _packed_size(reader: ArchiveReader, record: _Listed) -> int:
    name = record.name[len(reader.root) + 1 :] if reader.root else record.name
    if not reader.has(name):
        return 0
    try:
        return reader.entry(name).packed_size
    except ArchiveError:
        return 0  # told of by the check of its bytes


def _problems_at_the_end(data: memoryview) -> Iterator[Problem]:
    """A comment: the one thing that a sound archive can have behind its end record."""
    tail = bytes(data[-(z.END.size + z.MAX_16) :])
    place = tail.rfind(z.END_SIGNATURE.to_bytes(4, "little"))
    behind = len(tail) - place - z.END.size
    if behind > 0:
        yield Problem(record="", rule="nothing hidden", found=f"{behind} bytes behind the archive")


def _other_bytes(reader: ArchiveReader) -> Iterator[Problem]:
    """The first header that is not as the writer would write it; contents are checked elsewhere."""
    data = reader.raw()
    position = 0
    try:
        records = [_as_record(reader, name) for name in reader.names()]
        for piece in plan_archive(reader.root, records):
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
