"""What is signed by its name: a folder with all files below it, or one file."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence

from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.descriptors import READ_UNLESS_LINK, read_at
from hermpkg_build.signing.contents import WHOLE, FileContent, in_order
from hermpkg_build.signing.failures import SignatureError


class FolderContent(Closing):
    """All files below a folder: an artifact that was unpacked. Raises SignatureError for links in it."""

    def __init__(self, path: str) -> None:
        self._path = path
        self.name: str = os.path.basename(os.path.abspath(path))
        self._files = in_order(_files_below(path))

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def files(self) -> Sequence[str]:
        """See `Content`."""
        return self._files

    def size(self, file: str) -> int:
        """See `Content`."""
        with self._open(file) as content:
            return content.size(WHOLE)

    def hash(self, file: str, method: str, start: int, end: int) -> str:
        """See `Content`. Raises SignatureError for what became a link, OSError for what is gone."""
        with self._open(file) as content:
            return content.hash(WHOLE, method, start, end)

    def _open(self, file: str) -> FileContent:
        return _open_file(os.path.join(self._path, file))


def open_content(path: str) -> FileContent | FolderContent:
    """Open the file or the folder at `path`. Raises SignatureError for a link, and OSError."""
    if stat.S_ISDIR(os.lstat(path).st_mode):
        return FolderContent(path)
    return _open_file(path)


def _open_file(path: str) -> FileContent:
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        raise _link(path)
    if not stat.S_ISREG(status.st_mode):
        raise SignatureError(
            f"{path!r} is neither a file nor a folder", fault="link", next_step="name a file or a folder"
        )
    descriptor = os.open(path, READ_UNLESS_LINK)
    size = os.fstat(descriptor).st_size
    return FileContent(
        os.path.basename(path),
        size,
        lambda offset, count: read_at(descriptor, count, offset),
        close=lambda: os.close(descriptor),
    )


def _files_below(path: str) -> list[str]:
    found: list[str] = []
    pending = [""]
    while pending:
        folder = pending.pop()
        with os.scandir(os.path.join(path, folder)) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_symlink():
                    raise _link(entry.path)
                if entry.is_dir(follow_symlinks=False):
                    pending.append(name)
                else:
                    found.append(name)
    return found


def _link(path: str) -> SignatureError:
    return SignatureError(
        f"{path!r} is a symbolic link: a signature of it would not say which bytes it leads to",
        fault="link",
        next_step="name the file that it leads to, or put that file in its place",
    )
