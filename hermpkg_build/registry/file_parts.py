"""Finds the parts of an archive that are worth a layer: what its records hold, alone or in stable groups."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from hashlib import blake2b
from typing import Literal, TypeAlias

from hermpkg_build.archive import zip_format as z
from hermpkg_build.archive.archive_file import ByteView
from hermpkg_build.archive.central_directory import read_central_directory
from hermpkg_build.archive.members import Member
from hermpkg_build.dataclass import dataclass

Kind: TypeAlias = Literal["weight", "weight.config", "code", "doc"]
"""What ModelPack calls what a layer holds."""

OWN = ".hermpkg"
"""The folder of what is no record, where tools unpack layers to."""

_LEAST = 256 << 10
_MOST_ALONE = 1024
"""A record is a layer of its own from this many bytes on, or the size of which so many make the file."""

_LARGEST_BETWEEN = 16 << 20
_MOST_TOGETHER = 4
"""A group has at most the bytes of so many large records."""

_KINDS: tuple[tuple[Kind, re.Pattern[str]], ...] = (
    ("doc", re.compile(r"(?i)(?:.*/)?(?:readme|licen[cs]e|notice|copying|authors)[^/]*|.*\.(?:md|rst)")),
    ("weight", re.compile(r".*\.(?:storage|safetensors|pt|pth|bin|ckpt|npy|npz|onnx|gguf)|(?:.*/)?data/\d+")),
    ("code", re.compile(r".*\.(?:py|pyi|so|c|cc|cpp|cu|h)")),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """`size` bytes of a file from `offset` on, which tools unpack to `path`."""

    path: str
    kind: Kind
    offset: int
    size: int


def file_parts(view: ByteView) -> list[FilePart]:
    """Find the parts of an archive, in its order; they do not overlap. Raises ArchiveError.

    These are what records hold, as it lies in the file, compressed or not, and large gaps between records.
    """
    central = read_central_directory(view)
    found: list[FilePart] = []
    end = 0
    spans = sorted(
        (start, member, name)
        for name, member in central.members.items()
        if (start := _start_of(view, member, central.start))
    )
    for start, member, name in spans:
        if start < end or not member.packed_size:
            continue
        found += _gap(end, start)
        is_plain = member.method == z.STORED and not member.flags & z.FLAG_ENCRYPTED
        path = name if is_plain else f"{OWN}/packed/{name}"
        found.append(FilePart(path=path, kind=_kind_of(name), offset=start, size=member.packed_size))
        end = start + member.packed_size
    return [*found, *_gap(end, len(view))]


def grouped(parts: Sequence[FilePart]) -> tuple[list[FilePart], list[list[FilePart]]]:
    """Give the parts that are large, and the others in groups of one kind.

    Where a group ends depends on the name and size of its last part alone, but for very large groups: the
    other groups stay as they are when one is edited.
    """
    large = _large(sum(part.size for part in parts))
    groups: list[list[FilePart]] = []
    for kind in dict.fromkeys(part.kind for part in parts):
        group, size = list[FilePart](), 0
        for part in parts:
            if part.kind != kind or part.size >= large:
                continue
            group.append(part)
            size += part.size
            if _ends_group(part, large) or size >= _MOST_TOGETHER * large:
                groups.append(group)
                group, size = [], 0
        groups += [group] if group else []
    return [part for part in parts if part.size >= large], groups


def _ends_group(part: FilePart, large: int) -> bool:
    """Whether a group ends with a part; the more likely the larger it is, so that groups are of one size."""
    number = int.from_bytes(
        blake2b(part.path.encode("utf-8", "surrogateescape"), digest_size=4).digest(), "big"
    )
    return number * large < (part.size << 33)


def _large(size: int) -> int:
    """A power of two, so that it is the same for nearly all versions of a model."""
    return max(_LEAST, 1 << (size // _MOST_ALONE).bit_length())


def _start_of(view: ByteView, member: Member, limit: int) -> int:
    """Where the bytes of a member begin; 0 where its header is damaged, so that they cannot be told."""
    header = bytes(view[member.header : member.header + z.LOCAL.size])
    if len(header) < z.LOCAL.size:
        return 0
    signature, *_, name, extra = z.LOCAL.unpack(header)
    start: int = member.header + z.LOCAL.size + name + extra
    return start if signature == z.LOCAL_SIGNATURE and start + member.packed_size <= limit else 0


def _kind_of(name: str) -> Kind:
    for kind, names in _KINDS:
        if names.fullmatch(name):
            return kind
    return "weight.config"


def _gap(start: int, end: int) -> Iterator[FilePart]:
    if end - start > _LARGEST_BETWEEN:
        path = f"{OWN}/between/{start}"
        yield FilePart(path=path, kind="weight.config", offset=start, size=end - start)
