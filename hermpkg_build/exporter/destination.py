"""The destination of a package: a file that is replaced at once, or a stream of the caller."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from typing import ClassVar, cast

from hermpkg_build.archive.records import Record
from hermpkg_build.archive.writer import BinaryDestination, begin_archive, replace_archive, stream_archive
from hermpkg_build.core.file_kinds import ARTIFACT
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.keeping import why_not_replaced
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.errors import LocalEnvironmentError


class OutputError(LocalEnvironmentError, OSError):
    """A package cannot be written to its destination."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryRoom:
    """How many bytes of tensors wait in memory until a package is written: of one, and `all_together`."""

    one: int
    all_together: int


class FileDestination:
    """A file. Raises OutputError for a path that cannot be that of a file.

    All but small tensors are written when they are saved, so that they are in memory once.
    """

    room: ClassVar[MemoryRoom] = MemoryRoom(one=256 << 10, all_together=16 << 20)

    def __init__(self, path: str) -> None:
        self.path = path
        self._folder = os.path.dirname(os.path.abspath(path))
        problem = ""
        if os.path.exists(path) and not os.path.isfile(path):
            problem = "it is a folder" if os.path.isdir(path) else "it is a device or a pipe"
        elif not os.path.isdir(self._folder):
            problem = f"there is no folder {self._folder}"
        elif not os.access(self._folder, os.W_OK):
            problem = f"the folder {self._folder} is not writable"
        if problem or not os.path.basename(path):
            raise OutputError(
                "a package cannot be written there",
                facts=[("file", path or "''"), ("reason", problem or "the name of the file is missing")],
                next_step="give the path of a file in a folder that exists and may be written to",
            )

    def begin(self) -> NewFile:
        """Begin a file beside the destination, for tensors, which can take its place. Raises OSError."""
        return begin_archive(self._folder)

    def write(self, root: str, records: Sequence[Record], begun: NewFile | None) -> None:
        """Write aside, or complete the file that was `begun`, and replace the file."""
        replace_archive(self.path, root=root, records=records, begun=begun)


class StreamDestination:
    """A binary stream; nothing is written to it before the package is complete."""

    room: ClassVar[MemoryRoom] = MemoryRoom(one=256 << 20, all_together=256 << 20)

    def __init__(self, stream: BinaryDestination) -> None:
        self._stream = stream

    def begin(self) -> NewFile:
        """Begin a file in the system's temporary folder, for tensors. Raises OSError."""
        import tempfile

        return NewFile(tempfile.gettempdir(), mode=0o600)

    def write(self, root: str, records: Sequence[Record], begun: NewFile | None) -> None:  # noqa: ARG002
        """Write to the stream, from its current position."""
        stream_archive(self._stream, root=root, records=records)
        flush = getattr(self._stream, "flush", None)
        if flush is not None:
            flush()


def destination_of(f: object) -> FileDestination | StreamDestination:
    """The destination that a path or a binary stream stands for. Raises TypeError, OutputError."""
    if isinstance(f, (str, os.PathLike)):
        path = os.fspath(f)
        return FileDestination(path if isinstance(path, str) else os.fsdecode(path))
    if isinstance(f, io.TextIOBase) or not callable(getattr(f, "write", None)):
        raise TypeError(f"f must be a path or a binary stream to write to, not {type(f).__name__}")
    return StreamDestination(cast("BinaryDestination", f))


def keep_other_files(path: str, *, read: str = "") -> None:
    """Raise OutputError where an artifact at `path` would take the place of what is none, or of `read`."""
    reason = why_not_replaced(path, ARTIFACT, [read])
    if reason:
        raise OutputError(
            "the package would overwrite another file",
            facts=[("file", path), ("reason", reason)],
            next_step="give another file, or remove this one first",
        )
