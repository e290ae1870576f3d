"""Reads and hashes whole files, with the signature that they had before and afterwards."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.files import open_regular, too_large
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


def _read_whole(limit: int, descriptor: int, size: int) -> bytes:
    if size > limit:
        raise too_large(limit)
    # One byte more than there should be shows the end of the file without a second call.
    data = os.read(descriptor, size + 1)
    return data if len(data) == size else b"".join([data, *_rest(descriptor)])


def _hash_whole(descriptor: int, _size: int) -> Digest:
    hasher, size = hashlib.sha256(), 0
    for chunk in _rest(descriptor):
        hasher.update(chunk)
        size += len(chunk)
    return Digest(hasher.hexdigest(), size)


def _rest(descriptor: int) -> Iterator[bytes]:
    """The bytes from here to the end of the file, in pieces."""
    while chunk := os.read(descriptor, _CHUNK):
        yield chunk
