"""What goes into an archive: named records whose content is bytes or a slice of a file."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from hermpkg_build.core.digest import Bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSlice:
    """`size` bytes of the file `path` from `offset`."""

    path: str
    offset: int = 0
    size: int


Content: TypeAlias = Bytes | FileSlice


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One record of an archive. `name` is without the root folder; `crc32` None means: compute it."""

    name: str
    content: Content
    crc32: int | None = None

    @property
    def size(self) -> int:
        """The number of bytes of the content."""
        return size_of(self.content)


def size_of(content: Content) -> int:
    """The number of bytes of some content."""
    return content.size if isinstance(content, FileSlice) else memoryview(content).nbytes
