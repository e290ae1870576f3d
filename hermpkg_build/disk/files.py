"""Opens, reads and writes whole files."""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress

from hermpkg_build.core.digest import Bytes
from hermpkg_build.disk.descriptors import CREATE, READ_UNLESS_PIPE, write_at
from hermpkg_build.disk.signatures import FileSignature, signature_of


def read_limited(path: str, limit: int = 64 << 20) -> bytes:
    """The bytes of a regular file that has at most `limit`. Raises OSError, EFBIG for one that has more."""
    descriptor, signature = open_regular(path)
    with open(descriptor, "rb", buffering=0) as file:
        # The signature is from a moment ago: a file can have grown.
        data = b"" if signature[0] > limit else file.read(limit + 1)
    if max(len(data), signature[0]) > limit:
        raise too_large(limit, path)
    return data


def write_file(path: str, data: Bytes, *, mode: int = 0o666) -> None:
    """Write `data` to a file that must not exist yet. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | CREATE, mode)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: Bytes) -> None:
    """Write every byte of `data`; the system may take fewer at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_all_at(descriptor: int, data: Bytes, start: int) -> None:
    """Write every byte of `data` to an open file from `start` on, whatever its position. Raises OSError."""
    view = memoryview(data)
    while view:
        count = write_at(descriptor, view, start)
        view, start = view[count:], start + count


def remove_file(path: str) -> None:
    """Remove a file if it is there."""
    with suppress(FileNotFoundError):
        os.unlink(path)


def too_large(limit: int, path: str | None = None) -> OSError:
    """Make the error for a file that has more bytes than are read."""
    return OSError(errno.EFBIG, f"The file has more than {limit:,} bytes", path)


def open_regular(path: str) -> tuple[int, FileSignature]:
    """A descriptor of a regular file, and its signature. Raises OSError.

    Anything else is refused: opening a pipe would wait for its other end, and a device may have no end.
    """
    descriptor = os.open(path, READ_UNLESS_PIPE)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        raise OSError(errno.EINVAL, "Not a regular file", path)
    return descriptor, signature_of(status)
