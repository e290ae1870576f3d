"""Computes the SHA-256 of a file while another thread writes it: hashing and writing overlap."""

from __future__ import annotations

import hashlib
import threading
from typing import final

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.descriptors import READS_ASIDE, read_at

_CHUNK = 512 << 10
"""So many bytes stay in the processor's cache from the read to the hash; both release the GIL."""


@final
class ConcurrentHash(Closing):
    """Hashes the open file `descriptor`, from its start to where `advance` says it is written.

    The bytes are read back from the file itself, through the page cache: the digest is that of the bytes that
    were written, not of those that should have been.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._told = 0
        self._ended = False
        self._changed = threading.Condition()
        self._hash = hashlib.sha256()
        self._done = 0
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._follow, name="hermpkg-hash", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End the thread, whatever is left to hash."""
        self._end(forget=True)

    def advance(self, count: int) -> None:
        """Say that `count` more bytes are written."""
        with self._changed:
            self._told += count
            self._changed.notify()

    def result(self) -> Digest:
        """Return the digest of the bytes that are written. Raises OSError where they cannot be read back."""
        self._end(forget=False)
        if self._problem is not None:
            raise self._problem
        return Digest(self._hash.hexdigest(), self._done)

    def _end(self, *, forget: bool) -> None:
        with self._changed:
            if forget:
                self._told = self._done
            self._ended = True
            self._changed.notify()
        self._thread.join()

    def _follow(self) -> None:
        try:
            while count := self._wait():
                data = read_at(self._descriptor, min(count, _CHUNK), self._done)
                if not data:
                    raise OSError(f"only {self._done} of {self._told} written bytes can be read back")
                self._hash.update(data)
                self._done += len(data)
        except BaseException as problem:  # noqa: BLE001 - it is raised in the thread that asks for the result.
            self._problem = problem

    def _wait(self) -> int:
        """Wait for bytes to hash, and return how many there are; 0 at the end."""
        with self._changed:
            self._changed.wait_for(lambda: (READS_ASIDE and self._told > self._done) or self._ended)
            return max(self._told - self._done, 0)
