"""Contents of records, read from the cache or from files, and never other than their digests say."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, TypeVar

from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.core.digest import Digest
from hermpkg_build.errors import ActionError, LocalEnvironmentError

if TYPE_CHECKING:
    from hermpkg_build.store.content import ContentStore

_T = TypeVar("_T")

_IN_MEMORY = 1 << 20
"""Up to this size a resource is held in memory; a larger one is copied into the cache first."""


class LostContentError(LocalEnvironmentError):
    """The cache no longer holds what an earlier action put there; `digest` says what."""

    def __init__(self, digest: Digest, needed_for: str) -> None:
        super().__init__(
            "the cache no longer holds what the package is made of",
            facts=[("digest", str(digest)), ("needed for", needed_for)],
            next_step="run the build again",
        )
        self.digest = digest


def content_bytes(content: ContentStore, digest: Digest, *, needed_for: str) -> bytes:
    """The bytes with this digest. Raises LostContentError."""
    return _still_there(content.get_bytes(digest), digest, needed_for)


def content_path(content: ContentStore, digest: Digest, *, needed_for: str) -> str:
    """A file with exactly the bytes of this digest. Raises LostContentError."""
    return _still_there(content.path_of(digest), digest, needed_for)


def file_bytes(path: str, digest: Digest | None, *, needed_for: str) -> bytes:
    """The bytes of a file that had the digest `digest` when it was judged (None: it was not).

    Raises ActionError where the file is gone, or has other bytes by now: what was analysed and
    what is packed must be one.
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


def file_content(content: ContentStore, path: str, digest: Digest, *, needed_for: str) -> Content:
    """The content of a file of any size, safe from edits from here on. Raises as `file_bytes` does."""
    if digest.size <= _IN_MEMORY:
        return file_bytes(path, digest, needed_for=needed_for)
    if content.path_of(digest) is None:
        try:
            content.put_file(path, digest)
        except OSError as error:
            raise _unreadable(path, needed_for, error) from error
    return FileSlice(path=content_path(content, digest, needed_for=needed_for), size=digest.size)


def _still_there(found: _T | None, digest: Digest, needed_for: str) -> _T:
    if found is None:
        raise LostContentError(digest, needed_for)
    return found


def _unreadable(path: str, needed_for: str, error: OSError) -> ActionError:
    return ActionError(
        "a file that belongs into the artifact cannot be read",
        facts=[("file", path), ("needed for", needed_for), ("reason", error.strerror or str(error))],
        next_step="run the build again",
    )
