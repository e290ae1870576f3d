"""A blob to download in pieces: hashed on its way into a private file, stored only if it has the digest."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.disk.concurrent_hash import ConcurrentHash
from hermpkg_build.disk.files import write_all
from hermpkg_build.store.failures import cache_errors

if TYPE_CHECKING:
    from hermpkg_build.store.content import ContentStore


class IncomingBlob(Closing):
    """The bytes of one blob on their way into `content`, by way of a file in the folder `staging`.

    A context manager, which closes the file. Raises LocalEnvironmentError where it cannot be written.
    """

    def __init__(self, digest: Digest, content: ContentStore, staging: str) -> None:
        self.digest = digest
        self.received: int = 0
        self._content = content
        self._path = os.path.join(staging, digest.hash)
        with cache_errors(content.root):
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        self._hashed = ConcurrentHash(self._file)

    @property
    def complete(self) -> bool:
        """Whether as many bytes arrived as there should be, or more."""
        return self.received >= self.digest.size

    def take(self, piece: Bytes) -> None:
        """Take the next bytes; nothing is written of a blob that is too long."""
        view = memoryview(piece)
        self.received += view.nbytes
        if self.received > self.digest.size:
            return
        with cache_errors(self._content.root):
            write_all(self._file, view)
        self._hashed.advance(view.nbytes)

    def restart(self) -> None:
        """Drop what came, to take the blob from its beginning."""
        self._hashed.close()
        self._hashed = ConcurrentHash(self._file)
        self.received = 0
        os.lseek(self._file, 0, os.SEEK_SET)

    def keep(self) -> bool:
        """Put the blob into the store if it is the right one; whether it is."""
        with cache_errors(self._content.root):
            if self.received != self.digest.size or self._hashed.result() != self.digest:
                return False
        self._content.put_file(self._path, self.digest, move=True)
        return True

    def close(self) -> None:
        """Close the file."""
        self._hashed.close()
        os.close(self._file)
