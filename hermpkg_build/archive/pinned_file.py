"""A file whose bytes stay what they were when they were first read: whatever differs later is an error."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterator
from typing import final

from hermpkg_build.archive.archive_file import ArchiveBytes, ArchiveFile
from hermpkg_build.errors import ArchiveError

CHUNK = 64 << 10
"""The bytes that are compared at once: reading a small record hashes so many."""

_BLOCK = 4 << 20
_HASH_SIZE = 32
_UNKNOWN = bytes(_HASH_SIZE)


@final
class PinnedFile(ArchiveBytes):
    """An archive's file, of which the SHA-256 of each chunk is kept from the first reading on.

    What it gives was compared, after it was
    copied out of the file, with what the same place held before: it does not matter whether the file is
    replaced, written over in place or cut off meanwhile, or is opened again after `release`.
    Where it is read `whole`, that is once when it is opened: `sha256` is then that of the file, in
    hexadecimal, else "", and nothing is mapped. Raises ArchiveError where there is no such file, and in every
    method that reads where the bytes are others.
    """

    def __init__(self, path: str, *, whole: bool) -> None:
        self._file = ArchiveFile(path)
        self.name: str = self._file.name
        self._size = len(self._file.view)
        self._hashes = bytearray(-(-self._size // CHUNK) * _HASH_SIZE)
        self._lock = threading.Lock()
        self._last = (-1, b"")
        self._is_whole = whole
        self.sha256: str = self._read_whole() if whole else ""

    @property
    def view(self) -> PinnedView:
        """All bytes; a slice is a copy that was compared."""
        return PinnedView(self, self._size)

    @property
    def can_be_mapped(self) -> bool:
        """Whether records may be mapped: what is written in place shows in them, so not those of a digest."""
        return not self._is_whole and self._file.can_be_mapped

    @property
    def is_released(self) -> bool:
        """False: what `view` gives is right also when the file was closed."""
        return False

    def read_at(self, start: int, size: int) -> bytes:
        """Read `size` bytes from `start` on, fewer where the file ends. Raises ArchiveError."""
        return b"".join(self._parts(start, size))

    def read_into(self, buffer: memoryview, start: int) -> int:
        """Fill `buffer` with the bytes from `start` on, as far as there are any. Raises as `read_at`."""
        at = 0
        for part in self._parts(start, len(buffer)):
            buffer[at : at + len(part)] = part
            at += len(part)
        return at

    def was_written_over(self) -> bool:
        """Whether the file was written to or replaced since it was opened, as far as size and time tell."""
        return self._file.was_written_over()

    def private_mapping(self) -> memoryview:
        """Map the open file, writable; only where it `can_be_mapped`."""
        return self._file.private_mapping()

    def open_path(self) -> str:
        """Return "": whoever opened the file by a path would read bytes that nobody compares."""
        return ""

    def status(self) -> os.stat_result | None:
        """Return the status of the open file, None where it is closed."""
        return self._file.status()

    def release(self) -> None:
        """Close the file, which is opened again for whatever is read from now on."""
        self._file.release()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _parts(self, start: int, size: int) -> Iterator[memoryview]:
        end = min(start + size, self._size)
        while start < end:
            index, skip = divmod(start, CHUNK)
            part = memoryview(self._chunk(index))[skip : skip + end - start]
            yield part
            start += len(part)

    def _chunk(self, index: int) -> bytes:
        cached, data = self._last
        if cached == index:
            return data
        size = min(CHUNK, self._size - index * CHUNK)
        data = self._file.read_at(index * CHUNK, size)
        if len(data) != size or not self._agrees(index, data):
            raise ArchiveError(
                "the archive was written over or replaced since it was opened",
                facts=[("file", self.name), ("offset", str(index * CHUNK))],
                next_step="open it again; write new versions beside it and rename them, as hermpkg does",
            )
        self._last = index, data
        return data

    def _agrees(self, index: int, data: bytes | memoryview) -> bool:
        """Compare a chunk with its hash, which is noted where the chunk was not read before."""
        found = hashlib.sha256(data).digest()
        place = slice(index * _HASH_SIZE, (index + 1) * _HASH_SIZE)
        # Under the lock: of two threads that read a chunk first, the second compares it with the first's.
        with self._lock:
            noted = bytes(self._hashes[place])
            if noted == _UNKNOWN:
                self._hashes[place] = found
        return noted in (found, _UNKNOWN)

    def _read_whole(self) -> str:
        """Hash the file and each of its chunks, of the same bytes. Raises ArchiveError."""
        from concurrent.futures import ThreadPoolExecutor

        whole = hashlib.sha256()
        with ThreadPoolExecutor(1, "hermpkg-hash") as other:
            for start in range(0, self._size, _BLOCK):
                block = self._file.read_at(start, min(_BLOCK, self._size - start))
                hashed = other.submit(whole.update, block)
                chunks = memoryview(block)
                for at in range(0, len(block), CHUNK):
                    self._agrees((start + at) // CHUNK, chunks[at : at + CHUNK])
                hashed.result()
        return whole.hexdigest()


@final
class PinnedView:
    """The bytes of a PinnedFile as a sequence, of which slices are taken."""

    __slots__ = ("_file", "_size")

    def __init__(self, file: PinnedFile, size: int) -> None:
        self._file = file
        self._size = size

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, part: slice) -> memoryview:
        start, stop, _ = part.indices(self._size)
        return memoryview(self._file.read_at(start, stop - start))
