"""Hashes large blobs in a thread of their own, beside what else is done with the bytes."""

from __future__ import annotations

import hashlib
import threading
from queue import Queue

from hermpkg_build.core.digest import Bytes

_WORTH_A_THREAD = 4 << 20
"""Bytes from which a thread pays for itself."""

_AHEAD = 16
"""Pieces that may wait to be hashed; `update` blocks where there are more, so that memory is bounded."""


class SideHash:
    """The SHA-256 of about `size` bytes; pieces that were given must not change any more.

    `close` ends the thread, if there is one; `hexdigest` does so too.
    """

    def __init__(self, size: int) -> None:
        self._hasher = hashlib.sha256()
        self._thread: threading.Thread | None = None
        if size >= _WORTH_A_THREAD:
            self._pieces: Queue[Bytes | None] = Queue(_AHEAD)
            self._thread = threading.Thread(target=self._hash, name="hermpkg-hash", daemon=True)
            self._thread.start()

    def update(self, piece: Bytes) -> None:
        """Hash some more bytes, soon."""
        if self._thread is None:
            self._hasher.update(piece)
        else:
            self._pieces.put(piece)

    def hexdigest(self) -> str:
        """The hash of all bytes."""
        self.close()
        return self._hasher.hexdigest()

    def close(self) -> None:
        """End the thread when it has hashed all that it was given."""
        if self._thread is not None:
            self._pieces.put(None)
            self._thread.join()
            self._thread = None

    def _hash(self) -> None:
        # Like the system's calls, hashing a large piece lets other threads run.
        while (piece := self._pieces.get()) is not None:
            self._hasher.update(piece)
