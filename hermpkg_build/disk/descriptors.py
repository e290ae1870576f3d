"""Opens files and reads them at any place: Windows lacks calls for it, and reads texts by default."""

from __future__ import annotations

import os
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from hermpkg_build.core.digest import Bytes

_BYTES: Final[int] = getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NOINHERIT", 0)
"""Without the first, Windows reads ``\\r\\n`` as one byte and ends a file at 0x1A."""

READ: Final[int] = os.O_RDONLY | _BYTES
"""Flags for `os.open` to read bytes."""

READ_UNLESS_PIPE: Final[int] = READ | getattr(os, "O_NONBLOCK", 0)
"""The same, without waiting for the other end of a pipe; what was opened is looked at then."""

READ_UNLESS_LINK: Final[int] = READ_UNLESS_PIPE | getattr(os, "O_NOFOLLOW", 0)
"""The same, with an error for a symbolic link where the system can tell."""

WRITE: Final[int] = os.O_WRONLY | _BYTES
"""Flags to write bytes to a file that is there."""

CREATE: Final[int] = os.O_CREAT | os.O_EXCL | _BYTES
"""Flags to make a file that must not exist; with `os.O_WRONLY` or `os.O_RDWR`."""

NAMES_STAY_OPEN: Final[bool] = sys.platform != "win32"
"""Whether a file that is open can be renamed, replaced and removed."""

READS_ASIDE: Final[bool] = hasattr(os, "pread")
"""Whether `read_at` is safe while another thread writes to the same descriptor."""

_moving = threading.Lock()


def read_at(descriptor: int, size: int, start: int) -> bytes:
    """Read up to `size` bytes of an open file from `start` on; its position stays. Raises OSError."""
    if sys.platform != "win32" and hasattr(os, "pread"):
        return os.pread(descriptor, size, start)
    with _moved(descriptor, start):
        return os.read(descriptor, size)


def read_into(descriptor: int, buffer: memoryview, start: int) -> int:
    """Read bytes of an open file from `start` on into `buffer`; return how many. Raises OSError."""
    if sys.platform != "win32" and hasattr(os, "preadv"):
        return os.preadv(descriptor, [buffer], start)
    data = read_at(descriptor, len(buffer), start)
    buffer[: len(data)] = data
    return len(data)


def write_at(descriptor: int, data: Bytes, start: int) -> int:
    """Write bytes to an open file from `start` on; return how many. Raises OSError."""
    if sys.platform != "win32" and hasattr(os, "pwrite"):
        return os.pwrite(descriptor, data, start)
    with _moved(descriptor, start):
        return os.write(descriptor, data)


@contextmanager
def _moved(descriptor: int, start: int) -> Iterator[None]:
    """Let an open file be at `start`, for one thread at a time, and then where it was."""
    with _moving:
        position = os.lseek(descriptor, 0, os.SEEK_CUR)
        try:
            os.lseek(descriptor, start, os.SEEK_SET)
            yield
        finally:
            os.lseek(descriptor, position, os.SEEK_SET)
