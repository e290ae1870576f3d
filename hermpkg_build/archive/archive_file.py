"""The bytes of an archive: a file that is mapped, or memory. A closed file is opened again to read."""

from __future__ import annotations

import io
import mmap
import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import NamedTuple, Protocol, TypeAlias, TypeVar, final

from hermpkg_build.disk.descriptors import READ, read_at, read_into
from hermpkg_build.errors import ArchiveError, ArchiveNotFoundError

_MOST_AT_ONCE = 1 << 30
"""A system call reads at most some 2 GiB."""

_T = TypeVar("_T")
_What = TypeVar("_What")


class BinarySource(Protocol):
    """A binary stream that can be read from its start: a file that is open, a BytesIO, a file of fsspec."""

    def read(self) -> bytes:
        """Read all that is left."""

    def seek(self, offset: int, /) -> object:
        """Go to a position, in bytes from the start."""


ArchiveSource: TypeAlias = str | os.PathLike[str] | bytes | bytearray | memoryview | BinarySource


class ByteView(Protocol):
    """A sequence of bytes that slices are taken of: a memoryview, or one that compares what it gives."""

    def __len__(self) -> int: ...

    def __getitem__(self, part: slice, /) -> memoryview: ...


class ArchiveBytes(ABC):
    """The bytes of one archive: what an ArchiveReader reads. All that reads raises ArchiveError."""

    name: str
    """What messages call it: its path."""

    @property
    @abstractmethod
    def view(self) -> ByteView:
        """All of them."""

    @property
    @abstractmethod
    def can_be_mapped(self) -> bool:
        """Whether records may be mapped."""

    @property
    @abstractmethod
    def is_released(self) -> bool:
        """Whether `view` is empty because the file was closed; `read_at` opens it again."""

    @abstractmethod
    def read_at(self, start: int, size: int) -> bytes:
        """Read `size` bytes from `start` on, fewer where the file ends."""

    @abstractmethod
    def read_into(self, buffer: memoryview, start: int) -> int:
        """Fill `buffer` with the bytes from `start` on, as far as there are any; return how many."""

    @abstractmethod
    def was_written_over(self) -> bool:
        """Whether the file was written to or replaced since it was opened, as far as size and time tell."""

    @abstractmethod
    def private_mapping(self) -> memoryview:
        """Map the open file, writable, where it `can_be_mapped`: what is written stays in this process."""

    @abstractmethod
    def open_path(self) -> str:
        """Return a path of the open file, "" where others must not read it by one."""

    @abstractmethod
    def status(self) -> os.stat_result | None:
        """Return the status of the open file, None where there is none."""

    @abstractmethod
    def release(self) -> None:
        """Close the file, which is opened again for whatever is read from now on. Memory stays."""

    @abstractmethod
    def close(self) -> None:
        """Close the file, and forget the bytes. Views of them stay usable."""


class _FileState(NamedTuple):
    """What tells a file from others, and from itself before it was written to."""

    device: int
    inode: int
    size: int
    mtime_ns: int


@final
class ArchiveFile(ArchiveBytes):
    """The bytes of an archive, `view`, which are those of a file or in memory.

    `source` is a path, bytes, or a binary stream, which is read whole. Raises ArchiveNotFoundError, and
    ArchiveError for a file that cannot be opened.
    """

    def __init__(self, source: ArchiveSource) -> None:
        self.name: str = os.fspath(source) if isinstance(source, (str, os.PathLike)) else "<buffer>"
        self._path = ""
        self._map: mmap.mmap | None = None
        self._descriptor = -1
        self._state: _FileState | None = None
        self._view = self._open(source)

    @property
    def view(self) -> memoryview:
        """All bytes, mapped where they are those of a file; none once it is closed."""
        return self._view

    @property
    def can_be_mapped(self) -> bool:
        """Whether records may be mapped: it is a file that is open."""
        return self._descriptor >= 0

    @property
    def is_released(self) -> bool:
        """Whether it is a file that is not open any more."""
        return self._state is not None and self._descriptor < 0

    def read_at(self, start: int, size: int) -> bytes:
        """Read `size` bytes from `start` on, fewer where the file ends; not through the mapping.

        The kernel also maps the pages around one that is touched, so that headers that are read through the
        mapping would take 64 KiB of memory for each tensor, used or not. And a file that has become shorter
        gives fewer bytes here, and there ends the process.
        Raises ArchiveError for a file that cannot be read.
        """
        if self._state is None:
            return bytes(self._view[start : start + size])
        if size > _MOST_AT_ONCE:
            parts = range(0, size, _MOST_AT_ONCE)
            return b"".join(self.read_at(start + at, min(_MOST_AT_ONCE, size - at)) for at in parts)
        return self._read(read_at, size, start)

    def read_into(self, buffer: memoryview, start: int) -> int:
        """Fill `buffer` with the bytes from `start` on, as far as there are any. Raises as `read_at`."""
        if self._state is None:
            buffer[:] = self._view[start : start + len(buffer)]
            return len(buffer)
        return self._read(read_into, buffer, start)

    def _read(self, read: Callable[[int, _What, int], _T], what: _What, start: int) -> _T:
        descriptor = self._descriptor
        if descriptor >= 0:
            try:
                result = read(descriptor, what, start)
            except OSError:
                result = None
            # Another thread may have closed the file, and its number may be that of another by now.
            if result is not None and self._descriptor == descriptor:
                return result
        with self._opened_again() as again:
            return read(again, what, start)

    def was_written_over(self) -> bool:
        """Whether the file was written to or replaced since it was opened, as far as size and time tell."""
        if self._state is None:
            return False
        try:
            if self.can_be_mapped:
                return _state_of(os.fstat(self._descriptor)) != self._state
            # By a descriptor again: Windows names the device of a path in another way.
            with self._opened_again() as again:
                return _state_of(os.fstat(again)) != self._state
        except (OSError, ArchiveError):
            return True

    def private_mapping(self) -> memoryview:
        """Map the open file once more, writable: what is written stays in this process."""
        return memoryview(private_mapping(self._descriptor, len(self._view), writable=True))

    def open_path(self) -> str:
        """Return a path of the open file, "" where there is none; see `ArchiveReader.open_path`."""
        if not self.can_be_mapped:
            return ""
        path = f"/proc/self/fd/{self._descriptor}"
        return path if os.path.exists(path) else self._path

    def status(self) -> os.stat_result | None:
        """Return the status of the open file, None where there is none."""
        return os.fstat(self._descriptor) if self.can_be_mapped else None

    def release(self) -> None:
        """Close the file, which is opened again for whatever is read from now on. Memory stays."""
        if self._state is not None:
            self.close()

    def close(self) -> None:
        """Close the file, and forget the bytes. Views of them stay usable."""
        self._view = memoryview(b"")
        if self._map is not None:
            # The mapping lives as long as there are views of it.
            with suppress(BufferError):
                self._map.close()
            self._map = None
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:
        # Nobody else closes the descriptor; __init__ may have failed before it was set.
        if getattr(self, "_descriptor", -1) >= 0:
            self.close()

    def _open(self, source: ArchiveSource) -> memoryview:
        if isinstance(source, (str, os.PathLike)):
            try:
                return self._map_file(os.fspath(source))
            except FileNotFoundError:
                raise ArchiveNotFoundError(self.name) from None
            except OSError as error:
                raise ArchiveError(
                    "the archive cannot be opened",
                    facts=[("file", self.name), ("reason", error.strerror or str(error))],
                ) from error
        if isinstance(source, io.BytesIO):
            # Not getbuffer(): with an open view the owner could neither write to the stream nor close it.
            return memoryview(source.getvalue())
        if isinstance(source, (bytes, bytearray, memoryview)):
            return memoryview(source).cast("B")
        source.seek(0)
        return memoryview(source.read())

    def _map_file(self, path: str) -> memoryview:
        # To open a pipe or a device could block, so its kind is asked for first.
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "a device, pipe or socket"
            raise ArchiveError(f"the archive is {kind}, not a file", facts=[("file", path)])
        self._descriptor = os.open(path, READ)
        self._path = os.path.abspath(path)
        self._state = _state_of(os.fstat(self._descriptor))
        size = self._state.size
        if not size:
            return memoryview(b"")
        self._map = mmap.mmap(self._descriptor, size, access=mmap.ACCESS_READ)
        return memoryview(self._map)

    @contextmanager
    def _opened_again(self) -> Iterator[int]:
        """Open the file that was closed, or what has its name by now. Raises ArchiveError where it cannot."""
        descriptor = -1
        try:
            descriptor = os.open(self._path, READ)
            yield descriptor
        except OSError as error:
            raise ArchiveError(
                "the archive cannot be read any more",
                facts=[("file", self.name), ("reason", error.strerror or str(error))],
            ) from error
        finally:
            if descriptor >= 0:
                os.close(descriptor)


def private_mapping(descriptor: int, size: int, *, writable: bool) -> mmap.mmap:
    """Map a file for this process, which nobody else sees write to it."""
    if sys.platform == "win32" or not hasattr(mmap, "MAP_PRIVATE"):
        return mmap.mmap(descriptor, size, access=mmap.ACCESS_COPY if writable else mmap.ACCESS_READ)
    # NORESERVE: an archive may be larger than the memory, most of it is never written to.
    flags = mmap.MAP_PRIVATE | getattr(mmap, "MAP_NORESERVE", 0)
    prot = mmap.PROT_READ | (mmap.PROT_WRITE if writable else 0)
    return mmap.mmap(descriptor, size, flags=flags, prot=prot)


def _state_of(status: os.stat_result) -> _FileState:
    return _FileState(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
