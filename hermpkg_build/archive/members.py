"""The entries of a central directory: where the members of a ZIP file lie, and which of them are records.

A record is what lies in the root folder, which all readers must find to be the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping, Sequence
from struct import Struct
from typing import NamedTuple, final

from hermpkg_build.archive.layout import MANIFEST, VERSION_RECORD
from hermpkg_build.errors import ArchiveError

ENTRY = Struct("<xBxxHHIIIIHHHH2xII")
"""An entry behind its signature, with time and date as one number, without what no reader needs: made by,
flags, method, stamp, CRC, packed size, size, name length, extra length, comment length, disk, external
attributes, local header offset"""

_KIND = Struct("<6xH4xI4xI")
_COLUMNS = Struct("<12xI4xI14xI")
_UNIX = 3
_SYMLINK = 0o120000
_FILE_TYPE = 0o170000
_VERSIONS = (VERSION_RECORD, "version")


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


class Columns(NamedTuple):
    """Some numbers of all members."""

    crcs: list[int]
    sizes: list[int]
    headers: list[int]


@final
class Members(Mapping[str, Member]):
    """Members by name, in their order.

    An archive may have tens of thousands, so most are kept as the bytes of their `entries` behind the
    signature: those on one disk whose numbers fit into the fixed part. A Member is made when it is asked for.
    """

    __slots__ = ("entries",)

    def __init__(self, entries: dict[str, bytes | Member]) -> None:
        self.entries: dict[str, bytes | Member] = entries

    def __getitem__(self, name: str) -> Member:
        entry = self.entries[name]
        return member_of(entry) if isinstance(entry, bytes) else entry

    def __contains__(self, name: object) -> bool:
        return name in self.entries

    def __iter__(self) -> Iterator[str]:
        return iter(self.entries)

    def __len__(self) -> int:
        return len(self.entries)

    def kind_of(self, name: str) -> tuple[int, int, int]:
        """Return method, CRC and unpacked size of a member, which takes less time than all of it."""
        entry = self.entries[name]
        kind: tuple[int, int, int] = (
            _KIND.unpack_from(entry) if isinstance(entry, bytes) else (entry.method, entry.crc32, entry.size)
        )
        return kind

    def columns(self) -> Columns:
        """Return CRC, unpacked size and local header offset of all members, each in their order."""
        read = _COLUMNS.unpack_from
        rows = [
            read(entry) if isinstance(entry, bytes) else (entry.crc32, entry.size, entry.header)
            for entry in self.entries.values()
        ]
        return Columns(*map(list, zip(*rows, strict=True))) if rows else Columns([], [], [])

    def below(self, folder: str) -> Members:
        """Return the members whose names start with `folder`, by the rest of their names."""
        names = list(self.entries)
        # All of an artifact's do, as a rule, and of all names together that is quickly told and cut off.
        text = "\n".join(["", *names])
        rest = text.split(f"\n{folder}")[1:]
        if len(rest) == len(names) and text.count("\n") == len(names):
            return Members(dict(zip(rest, self.entries.values(), strict=True)))
        skip = len(folder)
        return Members(
            {name[skip:]: entry for name, entry in self.entries.items() if name.startswith(folder)}
        )


def member_of(entry: bytes) -> Member:
    """Read an entry behind its signature, whose numbers fit into the fixed part."""
    made_by, flags, method, stamp, crc32, packed, size, n, x, c, _, external, header = ENTRY.unpack_from(
        entry
    )
    extra = entry[ENTRY.size + n : ENTRY.size + n + x]
    mode = external >> 16 if made_by == _UNIX else 0
    return Member(flags, method, stamp, crc32, packed, size, mode, header, c, extra)


def checksums_of(names: Sequence[str], crcs: Sequence[int], sizes: Sequence[int]) -> str:
    """Return the `checksums` of a manifest for records: name, CRC-32 and size of each, as they lie."""
    from hashlib import sha256

    if MANIFEST in names:
        at = names.index(MANIFEST)
        names, crcs, sizes = ([*each[:at], *each[at + 1 :]] for each in (names, crcs, sizes))
    whole = sha256("\0".join(names).encode())
    whole.update(struct.pack(f"<{len(crcs)}I", *crcs))
    whole.update(struct.pack(f"<{len(sizes)}Q", *sizes))
    return whole.hexdigest()


class Rooted(NamedTuple):
    """The `members` in the folder `root`, by the rest of their names, and the names of others, `strays`.

    `root` is "" where records lie in no folder.
    """

    root: str
    members: Members
    strays: tuple[str, ...] = ()


def below_root(members: Members) -> Rooted:
    """Find the root folder, and the members in it.

    It is that of the version record, else the first segment, which all names share. Raises ArchiveError where
    there is none, and where others may see another artifact, as each reader chooses a root.
    """
    if VERSION_RECORD in members:
        return Rooted("", members)
    first = next(iter(members), "").partition("/")[0]
    found = members.below(f"{first}/")
    if len(found) == len(members) and members:
        return Rooted(first, found)
    root = _root_among(members)
    strays = tuple(name for name in members if not name.startswith(f"{root}/"))
    _refuse_second_root(root, strays)
    return Rooted(root, members.below(f"{root}/"), strays)


def _root_among(members: Members) -> str:
    for name in members:
        folder, slash, rest = name.partition("/")
        if slash and rest in _VERSIONS:
            return folder
    raise ArchiveError(
        "the archive is not an artifact: its records do not lie in one root folder",
        facts=[("records", ", ".join(list(members)[:5]) or "none")],
    )


def _refuse_second_root(root: str, strays: Sequence[str]) -> None:
    for name in strays:
        folder, _, rest = name.partition("/")
        if rest == VERSION_RECORD:
            raise ArchiveError(
                "the archive holds several artifacts, each in a root folder of its own",
                facts=[("folders", f"{root}, {folder}")],
                next_step="take one out, but trust neither if it was sent to you",
            )
