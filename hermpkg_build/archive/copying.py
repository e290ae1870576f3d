"""Reads slices of files, compares them with their checksums, and has the kernel copy them elsewhere."""

from __future__ import annotations

import errno
import hashlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.disk.concurrent_hash import WrittenBytes
from hermpkg_build.disk.crc32 import crc32
from hermpkg_build.disk.descriptors import READ, read_at
from hermpkg_build.errors import ActionError

CHUNK = 8 << 20
"""How many bytes one system call copies: few calls, and the hash of the file never lags far behind."""

_READ_CHUNK = 1 << 20
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


class OtherBytesError(ActionError):
    """A file to be packed has not the bytes that it had when they were computed."""


def read_slice(piece: FileSlice) -> bytes:
    """Read a slice. Raises as `slice_chunks`."""
    return b"".join(slice_chunks(piece))


def slice_chunks(piece: FileSlice) -> Iterator[bytes]:
    """Read a slice, a chunk at a time.

    Raises ActionError where the file is missing, unreadable or too short, and OtherBytesError, after the last
    chunk, where the bytes have another CRC-32 or digest than they should.
    """
    crc, done = 0, 0
    sha256 = hashlib.sha256() if piece.digest is not None else None
    with _opened(piece) as source:
        while done < piece.size:
            data = read_at(source, min(piece.size - done, _READ_CHUNK), piece.offset + done)
            if not data:
                raise _too_short(piece, done)
            done += len(data)
            if piece.crc32 is not None:
                crc = crc32(data, crc)
            if sha256 is not None:
                sha256.update(data)
            yield data
    _compare_crc32(piece, crc)
    if sha256 is not None and piece.digest is not None and sha256.hexdigest() != piece.digest.hash:
        raise _other_bytes(piece, f"SHA-256 {piece.digest.hash}", f"SHA-256 {sha256.hexdigest()}")


def crc32_of(content: Content) -> int:
    """Compute the CRC-32 of some content. Raises as `slice_chunks`."""
    crc = 0
    for data in slice_chunks(content) if isinstance(content, FileSlice) else (content,):
        crc = crc32(data, crc)
    return crc


def append_slice(piece: FileSlice, target: int, progress: Callable[[int], None]) -> None:
    """Append a slice to the open file `target`, and call `progress` with the size of every step.

    The kernel copies (copy_file_range, then sendfile) where it can. What it wrote is read back from its
    cache and compared with the CRC-32 of the slice, where that is known, beside the copying if it is much.
    Raises ActionError for a bad source, OtherBytesError for one that has changed, OSError for a bad target.
    """
    with _opened(piece) as source:
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
        _compare_crc32(piece, found.value)


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
        raise _too_short(piece, done)


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
    return os.write(target, read_at(source, min(count, _READ_CHUNK), offset))


# macOS has no copy_file_range, and a sendfile for sockets only (which answers ENOTSOCK).
_STEPS = (
    *((_by_copy_file_range,) if hasattr(os, "copy_file_range") else ()),
    *((_by_sendfile,) if hasattr(os, "sendfile") else ()),
    _by_reading,
)


@contextmanager
def _opened(piece: FileSlice) -> Iterator[int]:
    try:
        source = os.open(piece.path, READ)
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


def _compare_crc32(piece: FileSlice, crc32: int) -> None:
    if piece.crc32 is not None and crc32 != piece.crc32:
        raise _other_bytes(piece, f"CRC-32 {piece.crc32:08x}", f"CRC-32 {crc32:08x}")


def _other_bytes(piece: FileSlice, expected: str, found: str) -> OtherBytesError:
    return OtherBytesError(
        "a file to be packed has other bytes than when they were computed",
        facts=[("file", piece.path), ("expected", expected), ("found", found)],
        next_step="remove the file and run the build again; look whether the disk has errors",
    )
