"""Copies the first bytes of a file that is to be replaced, and hashes them, before it is known by what."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple

from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.files import write_all_at
from hermpkg_build.disk.kernel_copies import copied_by_kernel
from hermpkg_build.disk.midstates import WORTHWHILE, Midstate, Sha256, last_before, remembering_hash
from hermpkg_build.disk.signatures import FileSignature
from hermpkg_build.disk.spare_files import Spare

_STEP = 4 << 20
"""So many bytes are copied or hashed before it is seen whether anybody still wants that."""

_ASIDE = 1 << 20
"""So many bytes are worth a thread."""


class KnownFile(NamedTuple):
    """What is known of a file: its digest, its signature, and midstates on the way to the digest.

    There can be a `spare` file that begins as it does.
    """

    sha256: str
    signature: FileSignature
    midstates: Sequence[Midstate] = ()
    spare: Spare | None = None

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self.signature[0]


class FirstBytes(Closing):
    """The `first` bytes of an open file `source`, which is `known`, on their way to the start of `target`.

    One thread copies them, but those that are `there` already, and another hashes what no midstate tells of
    them, until this is closed.
    """

    def __init__(
        self, source: int, target: int, first: memoryview, known: KnownFile, *, there: int = 0
    ) -> None:
        self.size: int = len(first)
        self._source = source
        self._target = target
        self._first = first
        self._kernel_copies = True
        self._hash, start = _begun(known.midstates, self.size)
        self._copying = _Steps(min(there, self.size), self.size, self._copy)
        self._hashing = _Steps(start, self.size, self._follow)

    def close(self) -> None:
        """End the threads."""
        self._copying.close()
        self._hashing.close()
        self._first.release()

    def finished(self) -> Sha256:
        """Wait until all bytes are copied and hashed, and return their hash. Raises OSError."""
        self._copying.finish()
        self._hashing.finish()
        return self._hash

    def _copy(self, start: int, end: int) -> None:
        """Copy some bytes; by the kernel where it can."""
        while self._kernel_copies and start < end:
            count = copied_by_kernel(self._source, self._target, end - start, start=start, to=start)
            self._kernel_copies = count > 0
            start += count
        with self._first[start:end] as rest:
            write_all_at(self._target, rest, start)

    def _follow(self, start: int, end: int) -> None:
        with self._first[start:end] as piece:
            self._hash.update(piece)


def _begun(midstates: Sequence[Midstate], size: int) -> tuple[Sha256, int]:
    """Return a hash of what midstates tell of the first `size` bytes of a file, and of how many that is."""
    midstate = last_before(midstates, size)
    hash_ = remembering_hash(midstate) if midstate is not None or size >= WORTHWHILE else None
    if hash_ is None:
        return hashlib.sha256(), 0
    return hash_, midstate[0] if midstate is not None else 0


class _Steps(Closing):
    """Does a `step` for one piece after the other, from `start` to `end`, in a thread until this is closed.

    Where that is little it is done at the end.
    """

    def __init__(self, start: int, end: int, step: Callable[[int, int], None]) -> None:
        self._pieces = range(start, end, _STEP)
        self._end = end
        self._step = step
        self._is_over = False
        self._problem: BaseException | None = None
        self._thread: threading.Thread | None = None
        if end - start >= _ASIDE:
            self._thread = threading.Thread(target=self._work, name="hermpkg-first-bytes")
            self._thread.start()

    def close(self) -> None:
        """End the thread."""
        self._is_over = True
        if self._thread is not None:
            self._thread.join()

    def finish(self) -> None:
        """Wait for all pieces. Raises what a step raised."""
        if self._thread is not None:
            self._thread.join()
        else:
            self._work()
        if self._problem is not None:
            raise self._problem

    def _work(self) -> None:
        try:
            for start in self._pieces:
                if self._is_over:
                    return
                self._step(start, min(start + _STEP, self._end))
        except BaseException as problem:  # noqa: BLE001 -- it is raised where somebody waits.
            self._problem = problem
