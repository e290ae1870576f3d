"""The records that an archive is made of: names, with bytes or slices of files as their contents."""

from __future__ import annotations

from typing import TypeAlias

from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSlice:
    """`size` bytes of the file `path` from `offset`, with the digest or the CRC-32 that they should have."""

    path: str
    offset: int = 0
    size: int
    digest: Digest | None = None
    crc32: int | None = None


Content: TypeAlias = Bytes | FileSlice


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of an archive, named without the root folder. A `crc32` of None is still to be computed."""

    name: str
    content: Content
    crc32: int | None = None

    @property
    def size(self) -> int:
        """The number of bytes of the content."""
        return size_of(self.content)


def size_of(content: Content) -> int:
    """Return the number of bytes of some content."""
    if isinstance(content, bytes):
        return len(content)
    return content.size if isinstance(content, FileSlice) else memoryview(content).nbytes
