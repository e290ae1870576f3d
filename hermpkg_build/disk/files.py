"""Reading, hashing and writing whole files with the signature that the bytes were read under."""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import suppress

from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.disk.signatures import FileSignature, signature_of
from hermpkg_build.errors import ActionError

_CHUNK = 1 << 20
_ATTEMPTS = 3
"""How often a file is read again that changed under the reading."""


def read_file(path: str) -> tuple[bytes, FileSignature]:
    """The bytes of a regular file, and its signature, the same before and after the reading.

    A write within one tick of the file system's clock can go unseen here; a signature that was taken
    then is not settled (`signatures.is_settled`). Raises OSError, and ActionError for a file that
    keeps changing.
    """
    for _ in range(_ATTEMPTS):
        descriptor, before = _open(path)
        try:
            # One byte more than there should be shows the end of the file without a second call.
            data = os.read(descriptor, before[0] + 1)
            if len(data) != before[0]:
                data = b"".join([data, *_rest(descriptor)])
            after = signature_of(os.fstat(descriptor))
        except OSError as error:
            error.filename = path  # what fails on a descriptor does not know its file
            raise
        finally:
            os.close(descriptor)
        if before == after:
            return data, after
    raise changed_while_read(path)


def hash_file(path: str) -> tuple[Digest, FileSignature]:
    """The digest of a regular file in constant memory, and its signature; raises as `read_file`."""
    for _ in range(_ATTEMPTS):
        descriptor, before = _open(path)
        try:
            hasher, size = hashlib.sha256(), 0
            for chunk in _rest(descriptor):
                hasher.update(chunk)
                size += len(chunk)
            after = signature_of(os.fstat(descriptor))
        except OSError as error:
            error.filename = path  # what fails on a descriptor does not know its file
            raise
        finally:
            os.close(descriptor)
        if before == after:
            return Digest(hasher.hexdigest(), size), after
    raise changed_while_read(path)


def read_chunks(path: str) -> Iterator[bytes]:
    """The bytes of a regular file in pieces of at most a mebibyte. Raises OSError."""
    descriptor, _ = _open(path)
    try:
        yield from _rest(descriptor)
    finally:
        os.close(descriptor)


def write_file(path: str, data: Bytes, *, mode: int = 0o666) -> None:
    """Write `data` to a file that must not exist yet. Raises OSError."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    try:
        write_all(descriptor, data)
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: Bytes) -> None:
    """Write every byte of `data`; the system may take fewer at a time."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


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


def _open(path: str) -> tuple[int, FileSignature]:
    """Open a regular file; what is none is refused rather than waited for, as a pipe would be."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        os.close(descriptor)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        raise OSError(errno.EINVAL, "Not a regular file", path)
    return descriptor, signature_of(status)


def _rest(descriptor: int) -> Iterator[bytes]:
    """What can still be read, in pieces."""
    while chunk := os.read(descriptor, _CHUNK):
        yield chunk
