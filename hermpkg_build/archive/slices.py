"""Reads slices of files, and compares them with their checksums."""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from hermpkg_build.archive.records import Content, FileSlice
from hermpkg_build.disk.descriptors import READ, read_at
from hermpkg_build.errors import ActionError

READ_CHUNK = 256 << 10
"""So many bytes are read at a time: they stay in a processor's own cache until they are written."""


class OtherBytesError(ActionError):
    """A file to be packed has not the bytes that it had when they were computed."""


def read_slice(piece: FileSlice) -> bytes:
    """Read a slice. Raises as `slice_chunks`."""
    return b"".join(slice_chunks(piece))


def slice_chunks(piece: FileSlice) -> Iterator[bytes]:
    """Read a slice, a chunk at a time.

    Raises ActionError where the file is missing, unreadable or too short, and OtherBytesError, after the last
    chunk, where the bytes have another CRC-32 or digest than they should.
    """
    crc, done = 0, 0
    sha256 = hashlib.sha256() if piece.digest is not None else None
    with opened_slice(piece) as source:
        while done < piece.size:
            data = read_at(source, min(piece.size - done, READ_CHUNK), piece.offset + done)
            if not data:
                raise too_short(piece, done)
            done += len(data)
            if piece.crc32 is not None:
                crc = zlib.crc32(data, crc)
            if sha256 is not None:
                sha256.update(data)
            yield data
    compare_crc32(piece, crc)
    if sha256 is not None and piece.digest is not None and sha256.hexdigest() != piece.digest.hash:
        raise _other_bytes(piece, f"SHA-256 {piece.digest.hash}", f"SHA-256 {sha256.hexdigest()}")


def crc32_of(content: Content) -> int:
    """Compute the CRC-32 of some content. Raises as `slice_chunks`."""
    crc = 0
    for data in slice_chunks(content) if isinstance(content, FileSlice) else (content,):
        crc = zlib.crc32(data, crc)
    return crc


@contextmanager
def opened_slice(piece: FileSlice) -> Iterator[int]:
    """Give the descriptor of the file that a slice lies in. Raises ActionError."""
    try:
        source = os.open(piece.path, READ)
    except OSError as error:
        raise ActionError(
            "a file to be packed cannot be opened",
            facts=[("file", piece.path), ("reason", error.strerror or str(error))],
            next_step="run the build again, or check the permissions of the file",
        ) from error
    try:
        yield source
    finally:
        os.close(source)


def too_short(piece: FileSlice, found: int) -> ActionError:
    """Return the error for a slice of which there are only so many bytes."""
    return ActionError(
        "a file became shorter while it was packed",
        facts=[
            ("file", piece.path),
            ("expected", f"{piece.size} bytes from offset {piece.offset}"),
            ("found", f"{found} bytes"),
        ],
        next_step="run the build again when nothing writes to the file",
    )


def compare_crc32(piece: FileSlice, crc32: int) -> None:
    """Raise OtherBytesError where a slice should have another CRC-32, if that is known."""
    if piece.crc32 is not None and crc32 != piece.crc32:
        raise _other_bytes(piece, f"CRC-32 {piece.crc32:08x}", f"CRC-32 {crc32:08x}")


def _other_bytes(piece: FileSlice, expected: str, found: str) -> OtherBytesError:
    return OtherBytesError(
        "a file to be packed has other bytes than when they were computed",
        facts=[("file", piece.path), ("expected", expected), ("found", found)],
        next_step="remove the file and run the build again; look whether the disk has errors",
    )
