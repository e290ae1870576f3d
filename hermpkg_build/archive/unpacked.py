"""Reads an artifact that was unpacked into a folder, with the methods that a packed one has."""

from __future__ import annotations

import errno
import functools
import io
import os
import stat
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import final

from hermpkg_build.archive.file_names import has_just_this_name, problem_as_file
from hermpkg_build.archive.layout import DATA, MANIFEST, problem_with_name, problem_with_size
from hermpkg_build.archive.pieces import PIECE, hash_of, too_large_for_memory
from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.descriptors import READ_UNLESS_PIPE
from hermpkg_build.errors import ArchiveError

_COPIED = 1 << 20
"""Records up to this size, in bytes, are copied rather than mapped, unless the caller says otherwise."""


@final
class UnpackedReader(Closing):
    """The folder that an artifact's root folder became; its files are the records, by relative path.

    It has the methods of ArchiveReader by which a package is imported. Symbolic links to files are followed,
    those to folders are not, and no name leads out of the folder.
    Raises ArchiveError where `path` is not a folder, or the folder has no artifact in it.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.name: str = os.path.abspath(path)
        if not os.path.isdir(self.name):
            raise ArchiveError("there is no such folder", facts=[("folder", self.name)])
        if not os.path.isdir(os.path.join(self.name, DATA)):
            inner = [
                entry.path for entry in os.scandir(self.name) if os.path.isdir(os.path.join(entry.path, DATA))
            ]
            raise ArchiveError(
                "the folder is not an unpacked artifact: it has no folder .data",
                facts=[("folder", self.name)],
                next_step=f"open the folder inside it: {min(inner)}" if inner else "",
            )
        self._names: list[str] | None = None

    def names(self) -> Sequence[str]:
        """Return the names of all records, sorted."""
        if self._names is None:
            self._names = sorted(
                os.path.relpath(os.path.join(folder, file), self.name).replace(os.sep, "/")
                for folder, _, files in os.walk(self.name)
                for file in files
            )
        return list(self._names)

    def has(self, name: str) -> bool:
        """Whether there is a record `name`."""
        if problem_with_name(name) or problem_as_file(name):
            return False
        return os.path.isfile(os.path.join(self.name, name)) and has_just_this_name(self.name, name)

    def size(self, name: str) -> int:
        """Return the number of bytes of the record `name`. Raises ArchiveError."""
        with self._reading(name) as path:
            return os.stat(path).st_size

    def read(self, name: str) -> bytes:
        """Return the bytes of the record `name`. Raises ArchiveError where it is missing or unreadable."""
        with self._open(name) as file:
            return file.readall()

    def pieces(self, name: str) -> Iterator[memoryview]:
        """Give the bytes of the record `name` in pieces of one MiB, the last shorter. Raises ArchiveError."""
        with self._open(name) as file:
            while piece := file.read(PIECE):
                yield memoryview(piece)

    def view(self, name: str) -> memoryview:
        """Return the bytes of the record `name`, read-only. Raises ArchiveError."""
        return memoryview(self.read(name))

    def sha256(self, name: str) -> str:
        """Return the SHA-256 of a record, in hexadecimal; a folder has no checksums. Raises ArchiveError."""
        return hash_of(self.pieces(name))

    def sizes(self, names: Iterable[str]) -> list[int]:
        """Return the number of bytes of each of the records `names`. Raises ArchiveError."""
        return [self.size(name) for name in names]

    def private_views(self, mapped: bool | None = None) -> Callable[[str], memoryview]:
        """Return a function that gives a record's bytes, writable, each `mapped` copy-on-write or copied.

        Those that are mapped (None: where they have more than 1 MiB) change or fail where their file is
        written over later. Writing to them never changes the file. The function raises ArchiveError.
        """
        return functools.partial(self._private_view, mapped)

    def release(self) -> None:
        """Do nothing: no file is held open."""

    def close(self) -> None:
        """Do nothing: no file is held open."""

    def _path(self, name: str) -> str:
        if problem := problem_with_name(name) or problem_as_file(name):
            raise ArchiveError(
                f"{name!r} cannot be the name of a record", facts=[("folder", self.name), ("reason", problem)]
            )
        if not has_just_this_name(self.name, name):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), name)
        return os.path.join(self.name, name)

    @contextmanager
    def _reading(self, name: str) -> Iterator[str]:
        """Give the path of a record, and raise ArchiveError where it cannot be read."""
        try:
            yield self._path(name)
        except MemoryError:
            raise too_large_for_memory(self.name, name) from None
        except OSError as error:
            raise ArchiveError(
                "the unpacked artifact has no such record"
                if isinstance(error, FileNotFoundError)
                else "a record of the unpacked artifact cannot be read",
                facts=[("folder", self.name), ("record", name), ("reason", error.strerror or str(error))],
            ) from error

    @contextmanager
    def _open(self, name: str) -> Iterator[io.FileIO]:
        """Open the file of a record; a pipe, whose opening would wait for its other end, is none."""
        with self._reading(name) as path:
            descriptor = os.open(path, READ_UNLESS_PIPE)
            with io.FileIO(descriptor) as file:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "it is no regular file")
                records = len(self.names()) if name == MANIFEST else 0
                if problem := problem_with_size(name, status.st_size, records):
                    raise OSError(errno.EFBIG, problem)
                yield file

    def _private_view(self, mapped: bool | None, name: str) -> memoryview:
        import mmap

        with self._open(name) as file:
            size = os.fstat(file.fileno()).st_size
            if not size or not (size > _COPIED if mapped is None else mapped):
                return memoryview(bytearray(file.readall()))
            return memoryview(mmap.mmap(file.fileno(), size, access=mmap.ACCESS_COPY))
