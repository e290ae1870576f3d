"""The requests that a shared cache answers, whatever protocol its server speaks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Protocol

from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass

if TYPE_CHECKING:
    from hermpkg_build.store.content import ContentStore

EMPTY = Digest.of(b"")
"""The digest of the empty blob, which never travels: every server has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes to upload: `data` where they are in hand, else those of the file at `path`."""

    digest: Digest
    data: bytes | None = None
    path: str = ""

    @staticmethod
    def of(data: bytes) -> Blob:
        """Bytes in hand."""
        return Blob(digest=Digest.of(data), data=data)


class Transport(Protocol):
    """One server, asked by any number of threads at once.

    Every method tries again where that can help, and raises RemoteError and nothing else. `close` may
    be called while other threads are in a request; these soon raise RemoteError.
    """

    def get_result(self, action: Digest) -> bytes | None:
        """The serialised ``ActionResult`` of the action with this digest; None where there is none."""
        ...

    def put_result(self, action: Digest, result: bytes) -> None:
        """Store a serialised ``ActionResult``; all contents that it names have been uploaded."""
        ...

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Those of `digests` whose contents the server does not have."""
        ...

    def download(self, digests: Collection[Digest], content: ContentStore) -> set[Digest]:
        """Fetch contents into `content`, each hashed on arrival.

        Gives those that the server does not have whole: absent, truncated, or other bytes.
        Raises LocalEnvironmentError where `content` is full or not writable.
        """
        ...

    def upload(self, blobs: Sequence[Blob]) -> None:
        """Upload contents, except for files that are gone or have other bytes."""
        ...

    def close(self) -> None:
        """Close the connections. Requests under way in other threads fail."""
        ...
