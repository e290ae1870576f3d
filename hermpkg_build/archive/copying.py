"""Copies slices of files elsewhere, or shares their bytes, and compares them with their checksums."""

from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

from hermpkg_build.archive.records import FileSlice
from hermpkg_build.archive.slices import READ_CHUNK, compare_crc32, opened_slice, too_short
from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.concurrent_hash import WrittenBytes
from hermpkg_build.disk.crc32 import is_quick, quick_crc32
from hermpkg_build.disk.descriptors import read_into
from hermpkg_build.disk.files import write_all
from hermpkg_build.disk.kernel_copies import copied_by_kernel

_MUCH = 4 << 20
"""From so many bytes on a checksum is computed beside the copying, and not with it, where that saves time."""

_STEP = 4 << 20
"""So many bytes are copied by the kernel before they are compared."""

_BLOCK = 4096
_CLONE_RANGE = 0x4020940D
"""The request FICLONERANGE of Linux: the numbers of a file, an offset, a size and an offset here follow."""

_SETTLED_S = 60.0
"""Bytes of a file that was changed longer ago are on the disk; sharing others would write them first."""


def append_slice(piece: FileSlice, target: int, progress: Callable[[int], None] | None) -> None:
    """Append a slice to the open file `target`, and call `progress` with the size of every step.

    The bytes are compared with the CRC-32 of the slice, where that is known. Where nobody reads them again
    (no `progress`), and the file system can, both files share them: nothing is written then.
    Raises ActionError for a bad source, OtherBytesError for one that has changed, OSError for a bad target.
    """
    with opened_slice(piece) as source, ExitStack() as stack:
        shared = _share(piece, source, target) if progress is None else 0
        by_kernel = progress is None and not shared
        beside = not shared and (by_kernel or not is_quick())
        check = stack.enter_context(_crc32_of_written(piece, target, beside=beside))
        done = _copied(piece, source, target, check) if by_kernel and isinstance(check, _Crc32Beside) else 0
        buffer = memoryview(bytearray(min(READ_CHUNK, piece.size - done)))
        while done < piece.size:
            size = read_into(source, buffer[: piece.size - done], piece.offset + done)
            if not size:
                raise too_short(piece, done)
            write_all(target, buffer[min(size, max(0, shared - done)) : size])
            done += size
            if check is not None:
                check.advance(buffer[:size])
            if progress is not None:
                progress(size)
        if check is not None:
            compare_crc32(piece, check.result())


def _copied(piece: FileSlice, source: int, target: int, check: _Crc32Beside) -> int:
    """Have the kernel append a slice, as far as it can, and return how many bytes it did.

    What it wrote is compared, by another thread, so that it need not be trusted with the bytes.
    """
    begin, done = os.lseek(target, 0, os.SEEK_CUR), 0
    while done < piece.size:
        size = min(_STEP, piece.size - done)
        count = copied_by_kernel(source, target, size, start=piece.offset + done, to=begin + done)
        if not count:
            break
        done += count
        check.follow(count)
    os.lseek(target, begin + done, os.SEEK_SET)
    return done


def _share(piece: FileSlice, source: int, target: int) -> int:
    """Let `target` share the whole blocks of a slice from its position on, which moves; return their size."""
    position = os.lseek(target, 0, os.SEEK_CUR)
    size = piece.size - piece.size % _BLOCK
    if sys.platform != "linux" or size < _MUCH or piece.offset % _BLOCK or position % _BLOCK:
        return 0
    import fcntl

    status = os.fstat(source)
    if (
        time.time() - max(status.st_ctime, status.st_mtime) < _SETTLED_S
        or status.st_size < piece.offset + size
    ):
        return 0
    try:
        fcntl.ioctl(target, _CLONE_RANGE, struct.pack("qQQQ", source, piece.offset, size, position))
    except OSError:
        return 0
    os.lseek(target, size, os.SEEK_CUR)
    return size


class _Crc32:
    """The CRC-32 of pieces, computed at once."""

    def __init__(self) -> None:
        self._value = 0

    def advance(self, piece: memoryview) -> None:
        """Follow a piece."""
        self._value = quick_crc32(piece, self._value)

    def result(self) -> int:
        """Return the checksum of all pieces so far."""
        return self._value


class _Crc32Beside(Closing):
    """The CRC-32 of pieces that are written to a file, computed by a thread of its own."""

    def __init__(self, target: int) -> None:
        self._crc32 = _Crc32()
        start = os.lseek(target, 0, os.SEEK_CUR)
        self._written = WrittenBytes(target, self._crc32.advance, start=start)

    def close(self) -> None:
        """End the thread."""
        self._written.close()

    def advance(self, piece: memoryview) -> None:
        """Follow a piece, which is written."""
        self.follow(len(piece))

    def follow(self, count: int) -> None:
        """Follow so many bytes, which are written."""
        self._written.advance(count)

    def result(self) -> int:
        """Wait for the checksum of all pieces. Raises OSError where they cannot be read back."""
        self._written.finish()
        return self._crc32.result()


@contextmanager
def _crc32_of_written(
    piece: FileSlice, target: int, *, beside: bool
) -> Iterator[_Crc32 | _Crc32Beside | None]:
    """Give what computes the CRC-32, where there is one to compare it with: a thread, where that is much."""
    if piece.crc32 is None or piece.size < _MUCH or not beside:
        yield None if piece.crc32 is None else _Crc32()
        return
    with _Crc32Beside(target) as written:
        yield written
