"""Reading, hashing and writing whole files with the signature that the bytes were read under."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import TypeVar

from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.disk.descriptors import CREATE, READ_UNLESS_PIPE, write_at
from hermpkg_build.disk.signatures import FileSignature, signature_of
from hermpkg_build.errors import ActionError

_T = TypeVar("_T")
_CHUNK = 1 << 20
LARGEST_READ = 1 << 30
"""Bytes of the largest text: a source, metadata, a file of settings."""
_ATTEMPTS = 3
"""How often a file is read that changes while it is read."""


def read_file(path: str, limit: int = LARGEST_READ) -> tuple[bytes, FileSignature]:
    """The bytes of a regular file, and its signature, the same before and after the reading.

    A write within one tick of the file system's clock can go unseen here; a signature that was taken
    then is not settled (`signatures.is_settled`). Raises OSError, EFBIG for more than `limit` bytes,
    and ActionError for one that keeps changing.
    """
    return _read_unchanged(path, partial(_read_whole, limit))


def read_limited(path: str, limit: int = 64 << 20) -> bytes:
    """The bytes of a regular file that has at most `limit`. Raises OSError, EFBIG for one that has more."""
    descriptor, signature = open_regular(path)
    with open(descriptor, "rb", buffering=0) as file:
        # The signature is from a moment ago: a file can have grown.
        data = b"" if signature[0] > limit else file.read(limit + 1)
    if max(len(data), signature[0]) > limit:
        raise _too_large(limit, path)
    return data


def hash_file(path: str) -> tuple[Digest, FileSignature]:
    """The digest of a regular file in constant memory, and its signature; raises as `read_file`."""
    return _read_unchanged(path, _hash_whole)


def read_chunks(path: str) -> Iterator[bytes]:
    """The bytes of a regular file in pieces of at most a mebibyte. Raises OSError."""
    descriptor, _ = open_regular(path)
    try:
        yield from _rest(descriptor)
    finally:
        os.close(descriptor)


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


def changed_while_read(path: str) -> ActionError:
    """The error for a file that another program writes while the build reads it."""
    return ActionError(
        "a file changed while the build was reading it",
        facts=[("file", path)],
        next_step="build again once nothing writes to it",
    )


def _read_unchanged(path: str, read: Callable[[int, int], _T]) -> tuple[_T, FileSignature]:
    """What `read` makes of an open file and its size, and the signature that the file has all the while."""
    for _ in range(_ATTEMPTS):
        descriptor, before = open_regular(path)
        try:
            result = read(descriptor, before[0])
            after = signature_of(os.fstat(descriptor))
        except OSError as error:
            error.filename = path  # what fails on a descriptor does not know its file
            raise
        finally:
            os.close(descriptor)
        if before == after:
            return result, after
    raise changed_while_read(path)


def _too_large(limit: int, path: str | None = None) -> OSError:
    return OSError(errno.EFBIG, f"The file has more than {limit:,} bytes", path)


def _read_whole(limit: int, descriptor: int, size: int) -> bytes:
    if size > limit:
        raise _too_large(limit)
    # One byte more than there should be shows the end of the file without a second call.
    data = os.read(descriptor, size + 1)
    return data if len(data) == size else b"".join([data, *_rest(descriptor)])


def _hash_whole(descriptor: int, _size: int) -> Digest:
    hasher, size = hashlib.sha256(), 0
    for chunk in _rest(descriptor):
        hasher.update(chunk)
        size += len(chunk)
    return Digest(hasher.hexdigest(), size)


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


def _rest(descriptor: int) -> Iterator[bytes]:
    """The bytes from here to the end of the file, in pieces."""
    while chunk := os.read(descriptor, _CHUNK):
        yield chunk
