"""Writes the file that a recipe makes: layers arrive in it, several at once, and its digest follows them."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from itertools import accumulate

from hermpkg_build.archive.copying import append_slice
from hermpkg_build.archive.records import FileSlice
from hermpkg_build.archive.slices import read_slice
from hermpkg_build.archive.writer import replacement_of
from hermpkg_build.core.closing import Closing
from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.disk.concurrent_hash import ConcurrentHash
from hermpkg_build.disk.files import write_all, write_all_at
from hermpkg_build.errors import ArchiveError
from hermpkg_build.registry.partial_file import PartialFile
from hermpkg_build.registry.recipe import Recipe, Step
from hermpkg_build.remote.http.blobs import Incoming
from hermpkg_build.store.cache import Cache

_THREADS = 4
_PIECE = 1 << 20
_SMALL = 4 << 20
_KEPT = 16
"""So many small layers are kept in memory while the file is written: each has many records."""


class Assembly:
    """How to write a file from the layers of its recipe.

    `in_hand` are the files that layers lie in, by their numbers; all others are received into the file
    itself, by `receive`. `give_up` is called where that has to end at once.
    """

    def __init__(
        self,
        recipe: Recipe,
        layers: Sequence[Digest],
        cache: Cache,
        *,
        in_hand: Mapping[int, FileSlice],
        receive: Callable[[Incoming], None],
        give_up: Callable[[], None],
    ) -> None:
        self._recipe = recipe
        self._cache = cache
        self._layers = layers
        self._in_hand = in_hand
        self._small = lru_cache(_KEPT)(lambda number: read_slice(in_hand[number]))
        self._receive = receive
        self._give_up = give_up
        self._pieces = list(recipe.pieces())
        self._starts = [0, *accumulate(len(p) if isinstance(p, bytes) else p.size for p in self._pieces)]

    def write(self, path: str) -> None:
        """Write the file, which takes its place when it has the digest of the recipe.

        Raises ArchiveError where it has not, ActionError where a layer in hand is not what it was,
        LocalEnvironmentError where it cannot be written, and what `receive` raises.
        """
        with replacement_of(path) as target, ConcurrentHash(target) as following:
            os.ftruncate(target, self._recipe.file.size)
            partial = PartialFile(target, self._recipe.file, self._cache)
            try:
                self._fill(target, _Front(self._starts, following), partial)
            except BaseException:
                partial.given_up()
                raise
            digest = following.result()
            if digest != self._recipe.file:
                partial.whole()
                raise ArchiveError(
                    "the layers of an artifact do not make the file that they should",
                    facts=[("expected", str(self._recipe.file)), ("found", str(digest))],
                )
        partial.whole()

    def places(self, least: int) -> list[tuple[Digest, int]]:
        """Where in the file whole layers of at least so many bytes lie."""
        return [
            (self._layers[piece.layer], start)
            for piece, start in zip(self._pieces, self._starts, strict=False)
            if isinstance(piece, Step) and piece.size >= least and self._is_whole(piece)
        ]

    def _is_whole(self, step: Step) -> bool:
        return not step.offset and step.size == self._layers[step.layer].size

    def _fill(self, target: int, done: _Front, partial: PartialFile) -> None:
        """Write all pieces; no thread writes any more when this ends, however it does."""
        arriving = self._arriving()
        pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="hermpkg-layer")
        try:
            jobs = [pool.submit(self._arrive, target, index, done, partial) for index in arriving.values()]
            self._write_rest(target, arriving, done)
            for job in jobs:
                job.result()
            self._repeat(target, arriving, done)
        except _NotWrittenError as error:
            self._give_up()
            raise error.reason from error
        except BaseException:
            self._give_up()
            raise
        finally:
            pool.shutdown(cancel_futures=True)

    def _arriving(self) -> dict[Digest, int]:
        """The first piece of each layer that arrives in the file itself."""
        arriving: dict[Digest, int] = {}
        for index, piece in enumerate(self._pieces):
            if isinstance(piece, Step) and piece.layer not in self._in_hand and self._is_whole(piece):
                arriving.setdefault(self._layers[piece.layer], index)
        return arriving

    def _arrive(self, target: int, index: int, done: _Front, partial: PartialFile) -> None:
        piece = self._pieces[index]
        assert isinstance(piece, Step)
        self._receive(_IncomingPart(self._layers[piece.layer], target, self._starts[index]))
        done.pieces([index])
        partial.arrived(self._layers[piece.layer], self._starts[index])

    def _write_rest(self, target: int, arriving: Mapping[Digest, int], done: _Front) -> None:
        """Write what is between layers, and the layers in hand."""
        written: list[int] = []
        for index, piece in enumerate(self._pieces):
            if isinstance(piece, Step) and self._layers[piece.layer] in arriving:
                continue
            os.lseek(target, self._starts[index], os.SEEK_SET)
            if isinstance(piece, bytes):
                write_all(target, piece)
            else:
                self._write_step(target, piece)
            written.append(index)
            if self._starts[index + 1] - self._starts[written[0]] > _PIECE:
                done.pieces(written)
                written.clear()
        done.pieces(written)

    def _write_step(self, target: int, step: Step) -> None:
        place = self._in_hand[step.layer]
        if place.size > _SMALL:
            source = FileSlice(path=place.path, offset=place.offset + step.offset, size=step.size)
            append_slice(source, target, lambda _: None)
        else:
            write_all(target, memoryview(self._small(step.layer))[step.offset : step.offset + step.size])

    def _repeat(self, target: int, arriving: Mapping[Digest, int], done: _Front) -> None:
        """Write layers once more that occur several times and have arrived by now."""
        for index, piece in enumerate(self._pieces):
            first = arriving.get(self._layers[piece.layer]) if isinstance(piece, Step) else None
            if isinstance(piece, Step) and first is not None and first != index:
                source = self._starts[first] + piece.offset
                for at in range(0, piece.size, _PIECE):
                    data = os.pread(target, min(_PIECE, piece.size - at), source + at)
                    write_all_at(target, data, self._starts[index] + at)
                done.pieces([index])


class _Front:
    """Tells the digest of a file how far all pieces are written; for any number of threads."""

    def __init__(self, starts: Sequence[int], following: ConcurrentHash) -> None:
        self._starts = starts
        self._following = following
        self._done = [False] * (len(starts) - 1)
        self._next = 0
        self._lock = threading.Lock()

    def pieces(self, indexes: Sequence[int]) -> None:
        """Note that pieces are written."""
        with self._lock:
            for index in indexes:
                self._done[index] = True
            first = self._next
            while self._next < len(self._done) and self._done[self._next]:
                self._next += 1
            if self._next > first:
                self._following.advance(self._starts[self._next] - self._starts[first])


class _NotWrittenError(Exception):
    """The file cannot be written, for this reason, which is no fault of whoever sends it."""

    def __init__(self, reason: OSError) -> None:
        super().__init__(str(reason))
        self.reason = reason


class _IncomingPart(Closing):
    """A blob on its way into an open file, from `start` on; see `Incoming`."""

    def __init__(self, digest: Digest, descriptor: int, start: int) -> None:
        self.digest = digest
        self.received = 0
        self._descriptor = descriptor
        self._start = start
        self._hash = hashlib.sha256()

    def take(self, piece: Bytes) -> None:
        """Take the next bytes; nothing is written of a blob that is too long."""
        start = self._start + self.received
        self.received += len(piece)
        if self.received <= self.digest.size:
            try:
                write_all_at(self._descriptor, piece, start)
            except OSError as error:
                raise _NotWrittenError(error) from error
            self._hash.update(piece)

    def restart(self) -> None:
        """Drop what came, to take the blob from its beginning."""
        self.received = 0
        self._hash = hashlib.sha256()

    def keep(self) -> bool:
        """Whether it is the right one."""
        return self.received == self.digest.size and self._hash.hexdigest() == self.digest.hash

    def close(self) -> None:
        """Do nothing: the file is closed by whoever opened it."""
