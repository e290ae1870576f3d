"""The SHA-256 of a file that another thread is writing: costs the longer of the two, not their sum."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import final

from hermpkg_build.core.digest import Digest

_CHUNK = 512 << 10
"""Stays in the processor's cache between the read and the hash, both of which release the GIL."""


@final
class FollowingHash:
    """A context that hashes the open, readable file `descriptor` from its start as far as `advance` told.

    Bytes come back through the page cache, from the file itself: the digest is of what was
    written, not of what should have been.
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

    def __enter__(self) -> FollowingHash:
        self._thread.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._end(forget=error is not None)

    def advance(self, count: int) -> None:
        """Tell that `count` more bytes are in the file."""
        with self._changed:
            self._told += count
            self._changed.notify()

    def result(self) -> Digest:
        """The digest of all bytes told. Raises OSError where they cannot be read back."""
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
                data = os.pread(self._descriptor, min(count, _CHUNK), self._done)
                if not data:
                    raise OSError(f"only {self._done} of {self._told} written bytes can be read back")
                self._hash.update(data)
                self._done += len(data)
        except BaseException as problem:  # noqa: BLE001 - it is raised in the thread that asks for the result.
            self._problem = problem

    def _wait(self) -> int:
        """How many bytes are there to hash; 0 at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._told > self._done or self._ended)
            return max(self._told - self._done, 0)
