"""The files of a packaged package as importlib.resources reads them."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from typing import IO, Any

from hermpkg_build.archive.unpacked import UnpackedReader
from hermpkg_build.runtime.contents.archives import Archive

if sys.version_info >= (3, 11):
    from importlib.resources.abc import Traversable, TraversableResources
else:
    from importlib.abc import Traversable, TraversableResources


class PackageResourceReader(TraversableResources):
    """Reads the folder `folder` of an archive; `real` is its path on disk, where it has one."""

    def __init__(self, archive: Archive, folder: str, real: str = "") -> None:
        self._archive = archive
        self._folder = folder
        if not real and isinstance(archive, UnpackedReader):
            real = os.path.join(archive.name, *folder.split("/"))
        self._real = real

    def files(self) -> Traversable:
        """Give the folder, as a real path where there is one."""
        if self._real:
            from pathlib import Path

            path: Traversable = Path(self._real)
            return path
        return ArchivePath(self._archive, self._folder)

    def resource_path(self, resource: str) -> str:
        """Give the real path of a file. Raises FileNotFoundError where it has none."""
        if not self._real or not self.is_resource(resource):
            raise FileNotFoundError(2, "the artifact keeps no such file on disk", resource)
        return os.path.join(self._real, resource)

    def contents(self) -> Iterator[str]:
        """List the names of files and folders in the folder, sorted."""
        return iter(item.name for item in ArchivePath(self._archive, self._folder).iterdir())


class ArchivePath(Traversable):
    """A file or folder of an archive."""

    def __init__(self, archive: Archive, path: str) -> None:
        self._archive = archive
        self._path = path

    @property
    def name(self) -> str:
        """The last segment of the path."""
        return self._path.rpartition("/")[2]

    def iterdir(self) -> Iterator[ArchivePath]:
        """List the files and folders in this folder, sorted by name."""
        start = f"{self._path}/" if self._path else ""
        names = {
            record[len(start) :].partition("/")[0]
            for record in self._archive.names()
            if record.startswith(start)
        }
        return iter([ArchivePath(self._archive, start + name) for name in sorted(names)])

    def is_file(self) -> bool:
        """Tell whether this is a file."""
        return self._archive.has(self._path)

    def is_dir(self) -> bool:
        """Tell whether this is a folder with something in it."""
        start = f"{self._path}/"
        return any(record.startswith(start) for record in self._archive.names())

    def joinpath(self, *descendants: Any) -> ArchivePath:
        """Give the path below this one; ``.`` and ``..`` mean what they usually do."""
        segments = self._path.split("/") if self._path else []
        for descendant in descendants:
            for segment in str(descendant).split("/"):
                if segment == "..":
                    segments = segments[:-1]
                elif segment not in ("", "."):
                    segments = [*segments, segment]
        return ArchivePath(self._archive, "/".join(segments))

    def read_bytes(self) -> bytes:
        """Read the file. Raises FileNotFoundError, IsADirectoryError."""
        if not self.is_file():
            if self.is_dir():
                raise IsADirectoryError(21, "a folder of the artifact", self._path)
            raise FileNotFoundError(2, "no such file in the artifact", self._path)
        return self._archive.read(self._path)

    def read_text(self, encoding: str | None = None, errors: str | None = None) -> str:
        """Read the file as text, by default UTF-8; lines end in a line feed, as those of any file do."""
        with self.open("r", encoding, errors) as stream:
            return str(stream.read())

    def open(
        self,
        mode: str = "r",
        encoding: str | None = None,
        errors: str | None = None,
        newline: str | None = None,
    ) -> IO[Any]:
        """Open the file for reading. Raises ValueError for a mode that writes."""
        if mode not in ("r", "rt", "rb"):
            raise ValueError(f"a file of an artifact can only be read, not opened with mode {mode!r}")
        stream = io.BytesIO(self.read_bytes())
        if mode == "rb":
            return stream
        return io.TextIOWrapper(stream, encoding=encoding or "utf-8", errors=errors, newline=newline)

    def __str__(self) -> str:
        return f"{self._archive.name}/{self._path}"

    def __repr__(self) -> str:
        return f"ArchivePath({str(self)!r})"
