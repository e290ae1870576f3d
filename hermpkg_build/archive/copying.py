"""Has the kernel copy slices of files elsewhere, and compares them with their checksums."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable

from hermpkg_build.archive.records import FileSlice
from hermpkg_build.archive.slices import READ_CHUNK, compare_crc32, opened_slice, too_short
from hermpkg_build.disk.concurrent_hash import WrittenBytes
from hermpkg_build.disk.crc32 import crc32
from hermpkg_build.disk.descriptors import read_at

CHUNK = 8 << 20
"""How many bytes one system call copies: few calls, and the hash of the file never lags far behind."""

_MUCH = 4 << 20
"""From so many bytes on the checksum is computed beside the copying, and not behind it."""

# The errors by which the kernel says that it cannot copy between these two files in this way: the next
# slower way is tried. All others, such as a full disk, are raised.
_NOT_THIS_WAY = frozenset(
    {
        errno.EXDEV,
        errno.EINVAL,
        errno.ENOSYS,
        errno.EOPNOTSUPP,
        errno.ENOTSUP,
        errno.EPERM,
        errno.EBADF,
        errno.ETXTBSY,
        errno.ENOTSOCK,
    }
)


def append_slice(piece: FileSlice, target: int, progress: Callable[[int], None]) -> None:
    """Append a slice to the open file `target`, and call `progress` with the size of every step.

    The kernel copies (copy_file_range, then sendfile) where it can. What it wrote is read back from its
    cache and compared with the CRC-32 of the slice, where that is known, beside the copying if it is much.
    Raises ActionError for a bad source, OtherBytesError for one that has changed, OSError for a bad target.
    """
    with opened_slice(piece) as source:
        if piece.crc32 is None:
            _append(piece, source, target, progress)
            return
        found = _Crc32()
        start = os.lseek(target, 0, os.SEEK_CUR)
        with WrittenBytes(target, found.take, start=start, beside=piece.size >= _MUCH) as written:

            def advance(count: int) -> None:
                written.advance(count)
                progress(count)

            _append(piece, source, target, advance)
            written.finish()
        compare_crc32(piece, found.value)


def _append(piece: FileSlice, source: int, target: int, progress: Callable[[int], None]) -> None:
    done = 0
    for step in _STEPS:
        while done < piece.size:
            try:
                count = step(source, target, piece.offset + done, min(piece.size - done, CHUNK))
            except OSError as error:
                if error.errno in _NOT_THIS_WAY:
                    break
                raise
            # Some file systems answer 0 instead of an error; plain reading shows whether it ends here.
            if not count:
                break
            done += count
            progress(count)
    if done < piece.size:
        raise too_short(piece, done)


class _Crc32:
    """The CRC-32 of all pieces that it takes."""

    def __init__(self) -> None:
        self.value = 0

    def take(self, piece: memoryview) -> None:
        """Take one piece more."""
        self.value = crc32(piece, self.value)


def _by_copy_file_range(source: int, target: int, offset: int, count: int) -> int:
    if sys.platform != "linux":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return os.copy_file_range(source, target, count, offset_src=offset)


def _by_sendfile(source: int, target: int, offset: int, count: int) -> int:
    if sys.platform == "win32":
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    return os.sendfile(target, source, offset, count)


def _by_reading(source: int, target: int, offset: int, count: int) -> int:
    return os.write(target, read_at(source, min(count, READ_CHUNK), offset))


# macOS has no copy_file_range, and a sendfile for sockets only (which answers ENOTSOCK).
_STEPS = (
    *((_by_copy_file_range,) if hasattr(os, "copy_file_range") else ()),
    *((_by_sendfile,) if hasattr(os, "sendfile") else ()),
    _by_reading,
)
