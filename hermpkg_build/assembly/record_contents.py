"""Reads the contents of records from the cache or from files, and compares them with their digests."""

from __future__ import annotations

import io
from typing import Protocol, TypeVar

from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.core.digest import Digest
from hermpkg_build.errors import ActionError, LocalEnvironmentError

_T = TypeVar("_T")

_IN_MEMORY = 1 << 20
"""Resources up to this size are held in memory; larger ones are copied into the cache first."""


class Contents(Protocol):
    """Bytes that earlier actions left, by digest: a `ContentStore`, or files that lie elsewhere."""

    def get_bytes(self, digest: Digest) -> bytes | None:
        """Return the bytes with this digest, None where they are absent or corrupt."""

    def path_of(self, digest: Digest) -> str | None:
        """Return the path of a file with these bytes; None where they are absent or corrupt."""

    def put_file(self, path: str, digest: Digest) -> None:
        """Keep the bytes of a file, which have the given digest."""


class LostContentError(LocalEnvironmentError):
    """The cache has lost the content `digest`, which an earlier action put there."""

    def __init__(self, digest: Digest, needed_for: str) -> None:
        super().__init__(
            "the cache has lost a part of the artifact",
            facts=[("digest", str(digest)), ("needed for", needed_for)],
            next_step="run the build again",
        )
        self.digest = digest


def content_bytes(content: Contents, digest: Digest, *, needed_for: str) -> bytes:
    """Return the bytes with this digest. Raises LostContentError."""
    return _still_there(content.get_bytes(digest), digest, needed_for)


def content_path(content: Contents, digest: Digest, *, needed_for: str) -> str:
    """Return the path of a file with the bytes of this digest. Raises LostContentError."""
    return _still_there(content.path_of(digest), digest, needed_for)


def file_bytes(path: str, digest: Digest | None, *, needed_for: str) -> bytes:
    """Read a file that had the digest `digest` when it was analysed (None: it was not analysed).

    Raises ActionError where the file is missing, or has changed since: the bytes that are packed must be
    those that were analysed.
    """
    try:
        with io.FileIO(path) as file:
            data = file.readall()
    except OSError as error:
        raise _unreadable(path, needed_for, error) from error
    if digest is not None and Digest.of(data) != digest:
        raise ActionError(
            "a file changed while it was packed",
            facts=[("file", path), ("needed for", needed_for)],
            next_step="run the build again",
        )
    return data


def file_content(content: Contents, path: str, digest: Digest, *, needed_for: str) -> Content:
    """Return the content of a file of any size, which later edits do not change. Raises as `file_bytes`."""
    if digest.size <= _IN_MEMORY:
        return file_bytes(path, digest, needed_for=needed_for)
    if content.path_of(digest) is None:
        try:
            content.put_file(path, digest)
        except OSError as error:
            raise _unreadable(path, needed_for, error) from error
    stored = content_path(content, digest, needed_for=needed_for)
    return FileSlice(path=stored, size=digest.size, digest=digest)


def _still_there(found: _T | None, digest: Digest, needed_for: str) -> _T:
    if found is None:
        raise LostContentError(digest, needed_for)
    return found


def _unreadable(path: str, needed_for: str, error: OSError) -> ActionError:
    return ActionError(
        "a file to be packed cannot be read",
        facts=[("file", path), ("needed for", needed_for), ("reason", error.strerror or str(error))],
        next_step="run the build again",
    )
