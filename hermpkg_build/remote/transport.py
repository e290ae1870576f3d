"""What a shared cache is asked over the network, whatever protocol its server speaks."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from hermpkg_build.core.digest import Digest
    from hermpkg_build.store.content import ContentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Bytes to upload: `data` where they are in hand, else those of the file at `path`."""

    digest: Digest
    data: bytes | None = None
    path: str = ""


class Transport(Protocol):
    """One server, asked by any number of threads at once.

    Every method tries again where that can help, and raises RemoteError and nothing else. `close` may
    be called while other threads are in a request; these then end soon, with RemoteError.
    """

    def get_result(self, action: Digest) -> bytes | None:
        """The serialised ``ActionResult`` of the action with this digest; None where there is none."""
        ...

    def put_result(self, action: Digest, result: bytes) -> None:
        """Keep a serialised ``ActionResult``; all contents that it names have been uploaded."""
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
        """Bring contents to the server. A file that is gone or no longer has its bytes is left out."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...
