"""Unpacks and hashes records of any size in pieces."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator

from hermpkg_build.errors import ArchiveError

PIECE = 1 << 20
_PACKED_PIECE = 1 << 16


def inflated(packed: memoryview, size: int) -> Iterator[memoryview]:
    """Unpack a deflated buffer, which should come to `size` bytes, in pieces of one MiB, the last shorter.

    Raises zlib.error for a buffer that is not deflated, and ValueError, which says how many bytes there are,
    for another size. No more than a piece is in memory, however many bytes a few unpack to.
    """
    inflater = zlib.decompressobj(-zlib.MAX_WBITS)
    source, sources, found = b"", iter(range(0, len(packed), _PACKED_PIECE)), 0
    piece = bytearray()
    while not inflater.eof and found <= size:
        start = None
        if not source and (start := next(sources, None)) is not None:
            source = bytes(packed[start : start + _PACKED_PIECE])
        # One byte more than there should be is enough to notice that there are more.
        more = inflater.decompress(source, min(PIECE - len(piece), size + 1 - found))
        if not (more or source or start is not None):
            break
        source = inflater.unconsumed_tail
        found += len(more)
        piece += more
        if len(piece) == PIECE and found <= size:
            yield memoryview(piece)
            piece = bytearray()
    if found != size or not inflater.eof:
        raise ValueError(f"more than {size} bytes" if found > size else f"{found} bytes")
    if piece:
        yield memoryview(piece)


def hash_of(pieces: Iterable[memoryview]) -> str:
    """Return the SHA-256 of a buffer in pieces, in hexadecimal."""
    import hashlib

    hasher = hashlib.sha256()
    for piece in pieces:
        hasher.update(piece)
    return hasher.hexdigest()


def too_large_for_memory(file: str, record: str) -> ArchiveError:
    """The error for a record that is to be read whole and cannot be."""
    return ArchiveError(
        "a record is larger than the memory that there is",
        facts=[("file", file), ("record", record)],
        next_step="do not trust an artifact that you were sent with a record of this size",
    )
