"""Computes the SHA-256 of a file while another thread writes it: hashing and writing overlap."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import final

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.descriptors import READS_ASIDE, read_into
from hermpkg_build.disk.midstates import Sha256

_CHUNK = 512 << 10
"""So many bytes stay in the processor's cache from the read to the hash; both release the GIL."""


@final
class WrittenBytes(Closing):
    """Gives what is written to an open file, from `start` on, to `take`, in a thread of its own.

    The bytes are read back from the file itself, through the page cache: they are those that were written,
    not those that should have been. Where it cannot be read meanwhile, and where it is small, that is done at
    the end.
    """

    def __init__(self, descriptor: int, take: Callable[[memoryview], object], *, start: int = 0) -> None:
        self._descriptor = descriptor
        self._take = take
        self._start = start
        self._told = 0
        self._done = 0
        self._ended = False
        self._changed = threading.Condition()
        self._problem: BaseException | None = None
        self._thread: threading.Thread | None = None

    def close(self) -> None:
        """End the thread, whatever is left."""
        with self._changed:
            self._told = self._done
        self._end()

    def advance(self, count: int) -> None:
        """Say that `count` more bytes are written."""
        with self._changed:
            self._told += count
            self._changed.notify()
        if self._thread is None and self._told > _CHUNK and READS_ASIDE:
            self._thread = threading.Thread(target=self._follow, name="hermpkg-hash", daemon=True)
            self._thread.start()

    def finish(self) -> int:
        """Wait until all bytes were given; return how many. Raises OSError for what cannot be read back."""
        self._end()
        if self._thread is None:
            self._follow()
        if self._problem is not None:
            raise self._problem
        return self._done

    def _end(self) -> None:
        with self._changed:
            self._ended = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _follow(self) -> None:
        buffer = memoryview(bytearray(min(_CHUNK, self._told) if self._ended else _CHUNK))
        try:
            while count := self._wait():
                size = read_into(self._descriptor, buffer[:count], self._start + self._done)
                if not size:
                    raise OSError(f"only {self._done} of {self._told} written bytes can be read back")
                self._take(buffer[:size])
                self._done += size
        except BaseException as problem:  # noqa: BLE001 - it is raised in the thread that asks for the result.
            self._problem = problem

    def _wait(self) -> int:
        """Wait for bytes, and return how many there are; 0 at the end."""
        with self._changed:
            self._changed.wait_for(lambda: self._told > self._done or self._ended)
            return max(self._told - self._done, 0)


@final
class ConcurrentHash(Closing):
    """Hashes the open file `descriptor`, from its start to where `advance` says it is written.

    Who wants to know more than the digest gives a new `hash_`.
    """

    def __init__(self, descriptor: int, hash_: Sha256 | None = None) -> None:
        self._hash = hash_ or hashlib.sha256()
        self._written = WrittenBytes(descriptor, self._hash.update)
        self.advance: Callable[[int], None] = self._written.advance

    def close(self) -> None:
        """End the thread, whatever is left to hash."""
        self._written.close()

    def result(self) -> Digest:
        """Return the digest of the bytes that are written. Raises OSError where they cannot be read back."""
        size = self._written.finish()
        return Digest(self._hash.hexdigest(), size)
