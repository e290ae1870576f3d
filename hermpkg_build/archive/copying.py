"""Copies slices of files elsewhere, or shares their bytes, and compares them with their checksums."""

from __future__ import annotations

import os
import struct
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import Lock

from hermpkg_build.archive.records import FileSlice
from hermpkg_build.archive.slices import READ_CHUNK, compare_crc32, opened_slice, too_short
from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.all_cores import Job, on_all_cores
from hermpkg_build.disk.concurrent_hash import WrittenBytes
from hermpkg_build.disk.crc32 import crc32_of_both, is_quick, quick_crc32
from hermpkg_build.disk.descriptors import read_into
from hermpkg_build.disk.files import write_all, write_all_at
from hermpkg_build.disk.kernel_copies import copied_by_kernel

_MUCH = 4 << 20
"""From so many bytes on a checksum is computed beside the copying, and not with it, where that saves time."""

_STEP = 4 << 20
"""So many bytes are copied before they are compared: they are in the processor's cache then."""

_LARGER_PAGE = 64 << 10
_BLOCK = 4096
_CLONE_RANGE = 0x4020940D
"""The request FICLONERANGE of Linux: the numbers of a file, an offset, a size and an offset here follow."""

_SETTLED_S = 60.0
"""Bytes of a file that was changed longer ago are on the disk; sharing others would write them first."""


def append_slice(piece: FileSlice, target: int, progress: Callable[[int], None]) -> None:
    """Append a slice to the open file `target`, and call `progress` with the size of every step.

    The bytes are compared with the CRC-32 of the slice, where that is known.
    Raises ActionError for a bad source, OtherBytesError for one that has changed, OSError for a bad target.
    """
    with opened_slice(piece) as source, _crc32_of_written(piece, target) as check:
        buffer, done = memoryview(bytearray(min(READ_CHUNK, piece.size))), 0
        while done < piece.size:
            size = read_into(source, buffer[: piece.size - done], piece.offset + done)
            if not size:
                raise too_short(piece, done)
            write_all(target, buffer[:size])
            done += size
            if check is not None:
                check.advance(buffer[:size])
            progress(size)
        if check is not None:
            compare_crc32(piece, check.result())


def copy_slices(slices: Sequence[tuple[FileSlice, int]], target: int) -> None:
    """Copy slices into the open file `target`, each to the place that is given with it, on all cores.

    Where the file system can, both files share the bytes: nothing is written then. What lies in `target` in
    the end is compared with the CRC-32 of each slice, where that is known. Raises as `append_slice`.
    """
    turn, jobs = Lock(), []
    for piece, place in slices:
        shared = _share(piece, target, place)
        jobs += [_copied(piece, step, target, place, shared, turn) for step in _steps(piece)]
    found = iter(on_all_cores(jobs))
    for piece, _ in slices:
        crc32 = 0
        for step in _steps(piece):
            crc32 = crc32_of_both(crc32, next(found), len(step))
        compare_crc32(piece, crc32)


def _steps(piece: FileSlice) -> list[range]:
    """Return the parts of a slice that are copied at once."""
    return [range(start, min(start + _STEP, piece.size)) for start in range(0, piece.size, _STEP)]


def _copied(piece: FileSlice, step: range, target: int, place: int, shared: int, turn: Lock) -> Job[int]:
    """Copy a step of a slice to its `place`, but for what is `shared`; return the CRC-32 of what is there.

    The kernel copies what it can. It lets one thread at a time write to a file, and has others wait at work:
    they come in `turn`, and compare meanwhile what they copied, each on the core that has it in its cache.
    """
    with opened_slice(piece) as source:
        crc32, done, there = 0, step.start, min(step.stop, max(step.start, shared))
        with turn:
            while there < step.stop:
                # To the next of the kernel's larger pages at first: it writes whole ones in less time.
                size = min(step.stop - there, -(place + there) % _LARGER_PAGE or _STEP)
                count = copied_by_kernel(source, target, size, start=piece.offset + there, to=place + there)
                if not count:
                    break
                there += count
        buffer = memoryview(bytearray(min(READ_CHUNK, len(step))))
        while done < step.stop:
            yield
            if done < there:
                count = read_into(target, buffer[: there - done], place + done)
                if not count:
                    raise OSError(f"only {done} of {there} written bytes can be read back")
            else:
                count = read_into(source, buffer[: step.stop - done], piece.offset + done)
                if not count:
                    raise too_short(piece, done)
                write_all_at(target, buffer[:count], place + done)
            crc32 = quick_crc32(buffer[:count], crc32)
            done += count
    return crc32


def _share(piece: FileSlice, target: int, place: int) -> int:
    """Let `target` share the whole blocks of a slice from `place` on; return their size, 0 where not."""
    size = piece.size - piece.size % _BLOCK
    if sys.platform != "linux" or size < _MUCH or piece.offset % _BLOCK or place % _BLOCK:
        return 0
    import fcntl

    with opened_slice(piece) as source:
        status = os.fstat(source)
        if (
            time.time() - max(status.st_ctime, status.st_mtime) < _SETTLED_S
            or status.st_size < piece.offset + size
        ):
            return 0
        try:
            fcntl.ioctl(target, _CLONE_RANGE, struct.pack("qQQQ", source, piece.offset, size, place))
        except OSError:
            return 0
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
        self._written.advance(len(piece))

    def result(self) -> int:
        """Wait for the checksum of all pieces. Raises OSError where they cannot be read back."""
        self._written.finish()
        return self._crc32.result()


@contextmanager
def _crc32_of_written(piece: FileSlice, target: int) -> Iterator[_Crc32 | _Crc32Beside | None]:
    """Give what computes the CRC-32, where there is one to compare it with: a thread, where that is much."""
    if piece.crc32 is None or piece.size < _MUCH or is_quick():
        yield None if piece.crc32 is None else _Crc32()
        return
    with _Crc32Beside(target) as written:
        yield written
