"""Reads every member that any reader of a ZIP file could find in it, whatever is wrong with the file.

Readers differ: some believe the directory at the end, some the header before each member; some check the
checksum, the encryption flag or the compression method, others do not. What one of them would give is
given here.
"""

from __future__ import annotations

import io
import mmap
import tempfile
import zipfile
import zlib
from collections.abc import Iterator

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.central_directory import decode_name, read_central_directory
from hermpkg_build.archive.members import Member
from hermpkg_build.core.digest import Bytes
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.errors import ArchiveError
from hermpkg_build.scanning.wrapped_files import is_zero

LARGEST_INFLATED = 256 << 20
"""A member that unpacks to more bytes is unpacked into a file, or not read."""

LARGEST_IN_FILE = 4 << 30
"""A deflated member that unpacks to more bytes is not read."""

MOST_GROWTH = 64
"""Nor one that unpacks to more bytes than LARGEST_INFLATED, and to more times its own."""

_SIGNATURE = z.LOCAL_SIGNATURE.to_bytes(4, "little")
_DESCRIPTOR = b"PK\x07\x08"
_LONGEST_DESCRIPTOR = 24
_MOST_FOUND = 20_000
_PART = 1 << 20
_PIECE = 16 << 20
_FLAGS_OF_ENCRYPTION = z.FLAG_ENCRYPTED | z.FLAG_STRONG_ENCRYPTION | z.FLAG_MASKED_HEADERS
_SIZES_FOLLOW = 0x0008


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipMember:
    """One member: its name, what is wrong with its headers, "" for nothing, and its bytes as they are packed.

    `crc32` is what the directory says, None where it does not list the member, which `is_hidden` then.
    """

    name: str
    packed: memoryview | None
    method: int = z.STORED
    size: int = 0
    crc32: int | None = None
    problem: str = ""
    is_hidden: bool = False

    def read(self) -> tuple[memoryview | None, str]:
        """Return the bytes, None where they cannot be unpacked, and what is wrong with them."""
        if self.packed is None:
            return None, ""
        data, problem = _unpacked(self.packed, self.method, self.size)
        if not problem and data is not None and self.crc32 not in (None, zlib.crc32(data)):
            problem = "its checksum is wrong"
        if data is None and self.crc32 is None:
            data = self.packed
        return data, problem


@dataclass(frozen=True, slots=True, kw_only=True)
class ZipContents:
    """The members of a ZIP file, and what is wrong with the file itself."""

    members: tuple[ZipMember, ...]
    problems: tuple[str, ...]


def zip_contents(view: memoryview) -> ZipContents:
    """Read all that any reader finds in the ZIP file `view`. Never raises for what the bytes are."""
    try:
        central = read_central_directory(view)
    except ArchiveError as error:
        members = [*_swept(view, 0, len(view))]
        facts = "".join(f", {name} {value}" for name, value in error.facts)
        return ZipContents(members=tuple(members), problems=(error.summary + facts,))
    members, problems = [], []
    spans: list[tuple[int, int]] = []
    for name, member in central.members.items():
        found, end = _listed(view, name, member)
        members += found
        spans.append((member.header, end))
    problems += [f"two members have the name {name!r}" for name in central.duplicates]
    for start, end in _gaps(spans, 0, central.start):
        members += _between(view, start, end)
    if comment := _comment(view):
        members.append(ZipMember(name="<comment>", packed=comment))
    return ZipContents(members=tuple(members), problems=tuple(problems))


def _listed(view: memoryview, name: str, member: Member) -> tuple[list[ZipMember], int]:
    """A member that the directory lists, once more as its header has it where they differ, and its end."""
    end = member.header + z.LOCAL.size
    if bytes(view[member.header : member.header + 4]) != _SIGNATURE or end > len(view):
        problem = "its header is not where the directory says"
        return [ZipMember(name=name, packed=None, problem=problem)], end
    _, _, flags, method, _, _, crc, packed, size, n, x = z.LOCAL.unpack_from(view, member.header)
    problems = []
    local_name = _name(bytes(view[end : end + n]), flags)
    start = end + n + x
    end = start + member.packed_size
    if local_name != name:
        problems.append(f"its own header calls it {local_name!r}")
    if method != member.method:
        problems.append("its header and the directory name different compression methods")
    if (flags | member.flags) & _FLAGS_OF_ENCRYPTION:
        problems.append("it is said to be encrypted")
    if member.is_symlink:
        problems.append("it is a symbolic link")
    if not flags & _SIZES_FOLLOW and z.MAX_32 not in (packed, size):
        if (packed, size) != (member.packed_size, member.size):
            problems.append("its header and the directory name different sizes")
        if crc != member.crc32:
            problems.append("its header and the directory name different checksums")
    listed = ZipMember(
        name=name,
        packed=view[start:end],
        method=member.method,
        size=member.size,
        crc32=member.crc32,
        problem="; ".join(problems),
    )
    found = [listed]
    if problems:
        found.append(replace(_hidden(view, member.header, end), is_hidden=False))
    return found, end


def _unpacked(packed: memoryview, method: int, size: int) -> tuple[memoryview | None, str]:
    if method == z.STORED:
        return packed, ""
    if method != z.DEFLATED:
        return _by_zipfile(packed, method, size)
    reader = zlib.decompressobj(-15)
    try:
        data = reader.decompress(packed, LARGEST_INFLATED + 1)
    except zlib.error as error:
        return _as_far_as_it_goes(packed), f"it cannot be unpacked: {error}"
    if len(data) <= LARGEST_INFLATED:
        return memoryview(data), "" if reader.eof else "it is cut off"
    most = min(LARGEST_IN_FILE, MOST_GROWTH * len(packed))
    if most <= LARGEST_INFLATED:
        return memoryview(data)[:LARGEST_INFLATED], "it unpacks to too many bytes"
    del data
    return _unpacked_into_file(packed, most)


def _unpacked_into_file(packed: memoryview, most: int) -> tuple[memoryview | None, str]:
    """Unpack a large member into a file without a name, which is mapped; at most `most` bytes of it."""
    reader, problem, size = zlib.decompressobj(-15), "", 0
    try:
        with tempfile.TemporaryFile() as file:
            for place in range(0, len(packed), _PART):
                rest: Bytes = packed[place : place + _PART]
                while len(rest) and not reader.eof and size <= most:
                    size += file.write(reader.decompress(rest, _PIECE))
                    rest = reader.unconsumed_tail
            if size > most:
                problem = "it unpacks to too many bytes"
            elif not reader.eof:
                problem = "it is cut off"
            file.flush()
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)), problem
    except (zlib.error, OSError) as error:
        return None, f"it cannot be unpacked: {error}"


def _as_far_as_it_goes(packed: memoryview) -> memoryview:
    reader, found = zlib.decompressobj(-15), bytearray()
    try:
        for place in range(0, len(packed), 64):
            found += reader.decompress(packed[place : place + 64], LARGEST_INFLATED - len(found) + 1)
            if len(found) > LARGEST_INFLATED:
                break
    except zlib.error:
        pass
    return memoryview(found)


def _by_zipfile(packed: memoryview, method: int, size: int) -> tuple[memoryview | None, str]:
    """Methods that only `zipfile` unpacks, in an archive made for that."""
    way = z.METHOD_NAMES.get(method, f"method {method}")
    local = z.LOCAL.pack(z.LOCAL_SIGNATURE, 63, 0, method, 0, 0, 0, len(packed), size, 1, 0) + b"x"
    central = z.CENTRAL.pack(
        *(z.CENTRAL_SIGNATURE, 63, 63, 0, method, 0, 0, 0, len(packed), size, 1, 0, 0, 0, 0, 0, 0)
    )
    end = z.END.pack(z.END_SIGNATURE, 0, 0, 1, 1, len(central) + 1, len(local) + len(packed), 0)
    stream = io.BytesIO(b"".join([local, packed, central, b"x", end]))
    try:
        with zipfile.ZipFile(stream) as archive, archive.open("x") as member:
            member._expected_crc = None  # type: ignore[attr-defined]  # the caller compares it
            data = member.read(LARGEST_INFLATED + 1)
    except Exception as error:  # noqa: BLE001 - decompressors raise what they like
        return None, f"it cannot be unpacked ({way}): {error}"
    return memoryview(data), "it unpacks to too many bytes" if len(data) > LARGEST_INFLATED else ""


def _gaps(spans: list[tuple[int, int]], start: int, stop: int) -> Iterator[tuple[int, int]]:
    """What lies between `start` and `stop` and in no span."""
    for begin, end in sorted(spans):
        if begin > start:
            yield start, begin
        start = max(start, end)
    if start < stop:
        yield start, stop


def _between(view: memoryview, start: int, end: int) -> list[ZipMember]:
    """What lies in a gap between the members that the directory lists: others, or bytes of no member."""
    gap = bytes(view[start : min(end, start + _LONGEST_DESCRIPTOR)])
    if end - start <= _LONGEST_DESCRIPTOR and (gap.startswith(_DESCRIPTOR) or end - start in (12, 20)):
        return []
    found = list(_swept(view, start, end))
    before = view[start : _find(view, start, end) if found else end]
    if not is_zero(before):
        found.append(ZipMember(name=f"<{start}>", packed=before, is_hidden=True))
    return found


def _swept(view: memoryview, start: int, stop: int) -> Iterator[ZipMember]:
    """The members whose own headers stand in a part of the file."""
    place = _find(view, start, stop)
    count = 0
    while place >= 0 and count < _MOST_FOUND:
        count += 1
        following = _find(view, place + 4, stop)
        if place + z.LOCAL.size <= len(view):
            yield _hidden(view, place, following if following >= 0 else stop)
        place = following


def _find(view: memoryview, start: int, stop: int) -> int:
    """Where the next header of a member begins, -1 for nowhere; copies no more than a part of the file."""
    for place in range(start, stop, _PART):
        found = bytes(view[place : min(place + _PART + 3, stop)]).find(_SIGNATURE)
        if found >= 0:
            return place + found
    return -1


def _hidden(data: memoryview, place: int, limit: int) -> ZipMember:
    """A member by its own header; what is no header of one gives bytes that are looked at all the same."""
    _, _, flags, method, _, _, _, packed, size, n, x = z.LOCAL.unpack_from(data, place)
    name_at = place + z.LOCAL.size
    name = _name(bytes(data[name_at : name_at + n]), flags)
    start = name_at + n + x
    end = start + packed if packed not in (0, z.MAX_32) else max(limit, start)
    shown = name or f"<{place}>"
    return ZipMember(name=shown, packed=data[start:end], method=method, size=size, is_hidden=True)


def _name(raw: bytes, flags: int) -> str:
    try:
        return decode_name(raw, flags)
    except ArchiveError:
        return raw.decode("latin-1")


def _comment(view: memoryview) -> memoryview:
    """The comment at the end of the file."""
    tail = bytes(view[-(z.MAX_16 + z.END.size) :])
    place = tail.rfind(z.END_SIGNATURE.to_bytes(4, "little"))
    return view[len(view) - len(tail) + place + z.END.size :] if place >= 0 else view[:0]
