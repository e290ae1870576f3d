"""A blob to upload in pieces, compressed or not; the end comes only if its bytes have the digest."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.unchanged_files import read_chunks
from hermpkg_build.errors import ActionError
from hermpkg_build.remote.compression import compressed, compresses
from hermpkg_build.remote.transport import Blob

_PIECE = 1 << 20


class OutgoingBlob:
    """The bytes of one blob on their way to a server; with `zstd` compressed, where that pays.

    `lost` is set when the file turns out to be gone or to have other bytes. Nothing is raised for it:
    the pieces are drawn by threads of the gRPC library.
    """

    def __init__(self, blob: Blob, *, zstd: bool) -> None:
        self.blob = blob
        self.lost: bool = False
        self.zstd: bool = zstd and compresses(next(self._raw(), b""))
        self._length = -1

    def accepted(self, committed: int) -> bool:
        """Whether the size that a server committed says that it has the blob.

        Of a compressed one it is that of the compressed bytes, or -1 where the blob was there before;
        servers that give the blob's own size mean well too.
        """
        return committed == self.blob.digest.size or (self.zstd and committed in (-1, self._length))

    def pieces(self, offset: int) -> Iterator[tuple[int, bytes, bool]]:
        """What is to be sent from `offset` on: the place of each piece, the piece, whether it is the last.

        There is a last one, which may be empty, unless the blob is lost.
        """
        position, held = 0, b""
        for piece in compressed(self._verified()) if self.zstd else self._verified():
            skipped = min(max(offset - position, 0), len(piece))
            position += skipped
            if skipped == len(piece):
                continue
            if held:
                yield position - len(held), held, False
            held = piece[skipped:] if skipped else piece
            position += len(held)
        if not self.lost:
            self._length = position
            yield position - len(held), held, True

    def _verified(self) -> Iterator[bytes]:
        """The bytes as they are; the last piece is held back until all of them have been checked."""
        hasher, size, held = hashlib.sha256(), 0, b""
        for piece in self._raw():
            hasher.update(piece)
            size += len(piece)
            if held:
                yield held
            held = piece
        if Digest(hasher.hexdigest(), size) != self.blob.digest:
            self.lost = True
        elif held:
            yield held

    def _raw(self) -> Iterator[bytes]:
        data = self.blob.data
        if data is not None:
            yield from (data[start : start + _PIECE] for start in range(0, len(data), _PIECE))
            return
        try:
            yield from read_chunks(self.blob.path)
        except (OSError, ActionError):
            self.lost = True


def whole_bytes(blob: Blob) -> bytes | None:
    """The bytes of a small blob; None where its file is gone or has others."""
    outgoing = OutgoingBlob(blob, zstd=False)
    data = b"".join(piece for _, piece, _ in outgoing.pieces(0))
    return None if outgoing.lost else data
