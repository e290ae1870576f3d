"""Reads slices of files, computes their CRC-32, and has the kernel copy them into another file."""

from __future__ import annotations

import errno
import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.errors import ActionError

CHUNK = 8 << 20
"""How many bytes one system call copies: few calls, and the hash of the file never lags far behind."""

_READ_CHUNK = 1 << 20

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


def read_slice(piece: FileSlice) -> bytes:
    """Read a slice. Raises ActionError where the file is missing, unreadable or too short."""
    return b"".join(slice_chunks(piece))


def slice_chunks(piece: FileSlice) -> Iterator[bytes]:
    """Read a slice in pieces of at most a mebibyte. Raises ActionError as `read_slice` does."""
    done = 0
    with _opened(piece) as source:
        while done < piece.size:
            data = os.pread(source, min(piece.size - done, _READ_CHUNK), piece.offset + done)
            if not data:
                raise _too_short(piece, done)
            yield data
            done += len(data)


def crc32_of(content: Content) -> int:
    """Compute the CRC-32 of some content. Raises ActionError as `read_slice` does."""
    crc32 = 0
    for data in slice_chunks(content) if isinstance(content, FileSlice) else (content,):
        crc32 = zlib.crc32(data, crc32)
    return crc32


def append_slice(piece: FileSlice, target: int, progress: Callable[[int], None]) -> None:
    """Append a slice to the open file `target`, and call `progress` with the size of every step.

    The kernel copies (copy_file_range, then sendfile) where it can, so that the bytes never pass
    through this process. Raises ActionError for a bad source, OSError for a bad target.
    """
    with _opened(piece) as source:
        done = 0
        for step in _STEPS:
            done = _copy_by(step, piece, source, target, done, progress)
            if done == piece.size:
                return
        raise _too_short(piece, done)


def _copy_by(
    step: Callable[[int, int, int, int], int],
    piece: FileSlice,
    source: int,
    target: int,
    done: int,
    progress: Callable[[int], None],
) -> int:
    """Copy with `step` for as long as that works; return how many bytes of the slice are copied then."""
    while done < piece.size:
        try:
            count = step(source, target, piece.offset + done, min(piece.size - done, CHUNK))
        except OSError as error:
            if error.errno in _NOT_THIS_WAY:
                return done
            raise
        # Some file systems answer 0 instead of an error; plain reading shows whether the file ends here.
        if not count:
            return done
        done += count
        progress(count)
    return done


def _by_copy_file_range(source: int, target: int, offset: int, count: int) -> int:
    return os.copy_file_range(source, target, count, offset_src=offset)


def _by_sendfile(source: int, target: int, offset: int, count: int) -> int:
    return os.sendfile(target, source, offset, count)


def _by_reading(source: int, target: int, offset: int, count: int) -> int:
    return os.write(target, os.pread(source, min(count, _READ_CHUNK), offset))


# macOS has no copy_file_range, and a sendfile for sockets only (which answers ENOTSOCK).
_STEPS = (
    *((_by_copy_file_range,) if hasattr(os, "copy_file_range") else ()),
    *((_by_sendfile,) if hasattr(os, "sendfile") else ()),
    _by_reading,
)


@contextmanager
def _opened(piece: FileSlice) -> Iterator[int]:
    try:
        source = os.open(piece.path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise ActionError(
            "a file to be packed cannot be opened",
            facts=[("file", piece.path), ("reason", error.strerror or str(error))],
            next_step="run the build again, or check the permissions of the file",
        ) from error
    try:
        yield source
    finally:
        os.close(source)


def _too_short(piece: FileSlice, found: int) -> ActionError:
    return ActionError(
        "a file became shorter while it was packed",
        facts=[
            ("file", piece.path),
            ("expected", f"{piece.size} bytes from offset {piece.offset}"),
            ("found", f"{found} bytes"),
        ],
        next_step="run the build again when nothing writes to the file",
    )
