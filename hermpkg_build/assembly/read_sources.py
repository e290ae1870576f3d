"""Sources that the analysis of a build has read, for whoever packs them a moment later."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermpkg_build.core.digest import Digest

_MOST = 4 << 20
"""Bytes. After so many all are let go: what is packed next was read last, and the rest can be read again."""


class ReadSources:
    """The bytes of sources by their digests, for any thread; each is taken once."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._data: dict[str, bytes] = {}
        self._size = 0

    def keep(self, digest: Digest, data: bytes) -> None:
        """Keep bytes that have this digest until somebody takes them, or very many came after them."""
        with self._lock:
            if self._size > _MOST:
                self._data, self._size = {}, 0
            if digest.hash not in self._data:
                self._data[digest.hash] = data
                self._size += len(data)

    def take(self, digest: Digest | None) -> bytes | None:
        """Give the bytes that were kept, and keep them no longer; None where there are none."""
        if digest is None:
            return None
        with self._lock:
            data = self._data.pop(digest.hash, None)
            self._size -= len(data or b"")
            return data
