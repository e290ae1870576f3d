"""Finds many records with few system calls, and storages before they are asked for."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from struct import Struct
from time import monotonic
from typing import Generic, TypeVar

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.archive_file import ArchiveBytes
from hermpkg_build.archive.layout import storage_number, storage_record_name
from hermpkg_build.archive.members import Member, Members

_T = TypeVar("_T")

_FIRST = 512
_WINDOW = 256 << 10
"""So many bytes are read at once: few at first, twice as many where the next record follows the last."""

_ROOM = 256
"""More than the padding of a header usually takes."""

_HEADER = z.LOCAL.size
_UNUSUAL = ~(z.FLAG_UTF8 | z.FLAG_SUMS_FOLLOW)
_MOST_AHEAD = 256
_FRESH_S = 0.01
"""So long the file is not looked at again: what is written later shows in views anyway."""
_SIGNATURE = z.LOCAL_SIGNATURE.to_bytes(4, "little")
# Of an entry of the directory, behind its signature.
_NEEDED = Struct("<4xHH8xII10xII")
_FILE_TYPE = 0o170000 << 16
_SYMLINK = 0o120000 << 16


def sweep(
    read_at: Callable[[int, int], bytes],
    names: Sequence[bytes],
    entries: Iterable[bytes | Member],
    limit: int,
) -> list[int]:
    """Return the place of each record.

    `names` are the full ones, as they stand in the archive; best in the order of the file. `read_at` reads so
    many bytes from a place on. A record that is unusual or damaged has the place -1: whoever reads it alone
    finds out. All members lie before `limit`.
    """
    window, first, last, amount = b"", 0, 0, _FIRST
    places = [-1] * len(names)
    for index, (name, entry) in enumerate(zip(names, entries, strict=True)):
        if type(entry) is not bytes:
            continue
        flags, method, packed, size, external, header = _NEEDED.unpack_from(entry)
        if method or flags & _UNUSUAL or packed != size or external & _FILE_TYPE == _SYMLINK:
            continue
        length = _HEADER + len(name)
        end = header + length + _ROOM
        if header < first or end > last:
            amount = min(2 * amount, _WINDOW) if header < last + amount else _FIRST
            first, window = header, read_at(header, max(amount, end - header))
            last = first + len(window)
        at = header - first
        start = at + length
        # But for the length of the extra field, the fixed part of the header is that of the entry, which
        # alone has checksum and sizes where they follow on the bytes.
        sums = bytes(12) if flags & z.FLAG_SUMS_FOLLOW else entry[12:24]
        fixed = _SIGNATURE + entry[2:12] + sums + entry[24:26]
        if window[at : at + 28] != fixed or not window.startswith(name, at + _HEADER):
            continue
        start += window[at + 28] | window[at + 29] << 8
        if first + start + packed > limit:
            continue
        places[index] = first + start
    return places


def spans_within(
    whole: memoryview, members: Members, places: Mapping[str, int], names: Iterable[str], compared: int
) -> Iterator[tuple[str, tuple[int, int]]]:
    """Give where the records `names` lie in the bytes of the file, but for those that are not stored.

    One of at most `compared` bytes is left out, too, where its CRC is another.
    """
    for name in names:
        method, crc32, size = members.kind_of(name)
        start = places[name]
        if method == z.STORED and (size > compared or zlib.crc32(whole[start : start + size]) == crc32):
            yield name, (start, start + size)


class PartsAhead(Generic[_T]):
    """What was made of a mapped `file` before it is asked for, each of which is given once."""

    def __init__(self, file: ArchiveBytes) -> None:
        self._file = file
        self._numbers = range(0)
        self._parts: dict[str, _T] = {}
        self._until = 0.0

    def names_from(self, name: str) -> list[str]:
        """Give the name of a record, and of ever more storages behind it where they come in turn."""
        number = storage_number(name)
        if number is None or number in self._numbers:
            return [name]
        in_turn = number - 1 in self._numbers
        count = min(4 * len(self._numbers), _MOST_AHEAD) if in_turn else 1
        self._numbers = range(number, number + count)
        return [*map(storage_record_name, self._numbers)]

    def keep(self, parts: dict[str, _T]) -> None:
        """Keep these parts, too."""
        self._parts.update(parts)
        self._until = monotonic() + _FRESH_S

    def take(self, name: str) -> _T | None:
        """Give a part; None where there is none, or the file was written over."""
        part = self._parts.pop(name, None)
        if part is not None and monotonic() > self._until:
            if self._file.was_written_over():
                return None
            self._until = monotonic() + _FRESH_S
        return part
