"""Compresses blobs with zstd and back, in bounded memory whatever arrives; loads the library when it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import IO, cast

from hermpkg_build.core.digest import Bytes

_LEVEL = 1
"""The fastest that keeps up with today's networks; higher ones gain little on the contents of models."""

_PIECE = 1 << 20
_WORTHWHILE = 0.9
"""Saving less than a tenth does not pay for the work on both sides."""


def compress(data: bytes) -> bytes | None:
    """`data` as one frame; None where that saves less than a tenth."""
    import zstandard

    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(data)
    return packed if len(packed) < _WORTHWHILE * len(data) else None


def compresses(sample: bytes) -> bool:
    """Whether bytes that begin with `sample` are likely to be worth compressing."""
    return compress(sample) is not None


def compressed(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces as one frame, the same pieces for the same input, so that a transfer can be resumed."""
    import zstandard

    frame = zstandard.ZstdCompressor(level=_LEVEL).compressobj()
    held = bytearray()
    for piece in pieces:
        held += frame.compress(piece)
        if len(held) >= _PIECE:
            yield bytes(held)
            held.clear()
    yield bytes(held + frame.flush())


def decompress(data: bytes, size: int) -> bytes | None:
    """The `size` bytes that are compressed in `data`; None where it holds anything else."""
    import zstandard

    try:
        with zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True) as reader:
            # One byte more shows what would be too long, without ever unpacking all of it.
            unpacked: bytes = reader.read(size + 1)
    except zstandard.ZstdError:
        return None
    return unpacked if len(unpacked) == size else None


def decompressed(pieces: Iterable[Bytes]) -> Iterator[bytes]:
    """The bytes in the compressed `pieces`, up to what is not zstd; raises what `pieces` raises."""
    import zstandard

    source = cast("IO[bytes]", _Source(pieces))
    with zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True) as reader:
        while True:
            try:
                unpacked = reader.read1(_PIECE)
            except zstandard.ZstdError:
                return
            if not unpacked:
                return
            yield unpacked


class _Source:
    """Pieces as the file that the decompressor reads from: whole ones, however much it asks for."""

    def __init__(self, pieces: Iterable[Bytes]) -> None:
        self._pieces = iter(pieces)

    def read(self, _size: int = -1) -> Bytes:
        return next(self._pieces, b"")
