"""Writes archives: sorted, aligned, without times, each to a new file that then takes its place at once."""

from __future__ import annotations

import errno
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, cast

from hermpkg_build.archive.copying import append_slice, copy_slices
from hermpkg_build.archive.plan import plan_archive
from hermpkg_build.archive.records import Content, FileSlice, Record, size_of
from hermpkg_build.archive.slices import crc32_of, read_slice, slice_chunks
from hermpkg_build.disk.concurrent_hash import ConcurrentHash
from hermpkg_build.disk.files import write_all_at
from hermpkg_build.disk.replacing import NewFile
from hermpkg_build.disk.signatures import FileSignature, signature_of
from hermpkg_build.errors import ArchiveError, LocalEnvironmentError

if TYPE_CHECKING:
    from hermpkg_build.core.digest import Bytes, Digest
    from hermpkg_build.disk.midstates import Sha256

__all__ = ["Content", "FileSlice", "Record", "replace_archive", "stream_archive", "write_archive"]

_SMALL = 256 << 10
"""Pieces up to this size are joined with their neighbours: one system call for many small records."""

_BUFFER = 1 << 20

MODE = 0o644
Placed: TypeAlias = Callable[[FileSignature], object]
"""What is told the signature of a file that has just replaced another."""
_ADVICE = {
    errno.ENOSPC: "free some space on that file system, or write the output elsewhere",
    errno.EDQUOT: "free some of your quota, or write the output elsewhere",
    errno.EFBIG: "write the output to a file system that holds files of this size",
    errno.EACCES: "choose an output you may write to",
    errno.EPERM: "choose an output you may write to",
    errno.EROFS: "choose an output on a writable file system",
    errno.ENOENT: "make the folder first",
    errno.ENOTDIR: "choose an output whose parent is a folder",
    errno.EISDIR: "remove the folder of that name, or choose another output",
    errno.ENAMETOOLONG: "choose a shorter name",
}


def write_archive(
    path: str,
    *,
    root: str,
    records: Sequence[Record],
    hash_: Sha256 | None = None,
    placed: Placed | None = None,
) -> Digest:
    """Write `records` in the folder `root` to the file `path`, and return the digest of that file.

    The bytes depend on `root`, the names and the contents only. Until all of them are written, `path` is as
    it was; afterwards it is a new file of mode 0644, whatever the umask. A process that is killed leaves no
    file behind. The kernel copies contents that are files, and the SHA-256 is computed beside the writing:
    memory use does not grow with the records. The file is not forced to disk: an artifact can be built
    again, and ``hermpkg verify`` notices a torn one. A new `hash_` is that of the file afterwards. `placed`
    is told its signature at `path`, where another process can put another one at any time.

    Raises ArchiveError for names that are not allowed, ActionError for a content's file that is missing or
    too short, OtherBytesError for one whose bytes are not those of its checksum, LocalEnvironmentError where
    `path` cannot be written.
    """
    return write_pieces(path, plan_archive(root, records, crc32_of=crc32_of), hash_=hash_, placed=placed)


def write_pieces(
    path: str,
    pieces: Iterable[Content],
    *,
    expected: Digest | None = None,
    hash_: Sha256 | None = None,
    placed: Placed | None = None,
) -> Digest:
    """Write `pieces`, one after the other, to the file `path`, as `write_archive` does; return its digest.

    Raises as that, and ArchiveError where the file would not have the `expected` digest.
    """
    with replacement_of(path, placed) as target, ConcurrentHash(target, hash_) as following:
        write_here(pieces, target, following.advance)
        digest = following.result()
        if expected is not None and digest != expected:
            raise ArchiveError(
                "the pieces of an archive do not make the file that they should",
                facts=[("file", path), ("expected", str(expected)), ("found", str(digest))],
            )
        return digest


def replace_archive(path: str, *, root: str, records: Sequence[Record], begun: NewFile | None = None) -> None:
    """Write a file as `write_archive` does, without computing its digest.

    Where contents are slices of a file that was `begun`, each where it has to be in the archive, that file
    gets the rest, and takes the place of `path`: they are not copied.
    """
    pieces = [*plan_archive(root, records, crc32_of=crc32_of)]
    if begun is None or not _lie_in_place(begun.path, pieces):
        with replacement_of(path) as target:
            _fill(pieces, target)
        return
    with telling(path):
        _fill(pieces, begun.descriptor, in_place=begun.path)
        os.ftruncate(begun.descriptor, sum(map(size_of, pieces)))
        begun.replace(path)


def begin_archive(folder: str) -> NewFile:
    """Begin a file that `replace_archive` can complete, for an archive in `folder`. Raises OSError."""
    return NewFile(folder, mode=MODE)


def _lie_in_place(path: str, pieces: Iterable[Content]) -> bool:
    """Whether all pieces that are slices of the file `path` lie where they have to be in the archive."""
    position = 0
    for piece in pieces:
        if isinstance(piece, FileSlice) and piece.path == path and piece.offset != position:
            return False
        position += size_of(piece)
    return True


@contextmanager
def replacement_of(path: str, placed: Placed | None = None) -> Iterator[int]:
    """Give a context with the descriptor of a new file, which replaces the one at `path` at the end.

    When the body raises, or the process is killed, `path` stays as it was. `placed` is told the new file's
    signature afterwards.
    Raises LocalEnvironmentError for every OSError, also of the body, and where `path` is a device or a pipe:
    to replace it would take it away from its users.
    """
    with telling(path), NewFile(os.path.dirname(path), mode=MODE) as new:
        yield new.descriptor
        new.replace(path)
        if placed is not None:
            placed(signature_of(os.fstat(new.descriptor)))


@contextmanager
def telling(path: str) -> Iterator[None]:
    """Raise LocalEnvironmentError for every OSError, and where `path` is a device or a pipe."""
    if os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path):
        raise LocalEnvironmentError(
            "an archive cannot be written",
            facts=[("file", path), ("reason", "it is a device, pipe or socket, not a file")],
            next_step="choose the path of a file; PackageExporter also writes to open streams",
        )
    try:
        yield
    except OSError as error:
        raise LocalEnvironmentError(
            "an archive cannot be written",
            facts=[("file", path), ("reason", error.strerror or str(error))],
            next_step=_ADVICE.get(error.errno or 0, "see the reason above; the file is as it was before"),
        ) from error


class BinaryDestination(Protocol):
    """A binary stream to write to: a file that is open, a BytesIO, or anything else that takes bytes."""

    def write(self, data: bytes, /) -> Any:
        """Take bytes, and tell how many were taken; None is all of them."""


def stream_archive(stream: BinaryDestination, *, root: str, records: Sequence[Record]) -> None:
    """Write the same bytes to an open binary stream, which need not be seekable.

    Raises as `write_archive` does, and whatever the stream raises.
    """
    for piece in _joined(plan_archive(root, records, crc32_of=crc32_of)):
        for data in slice_chunks(piece) if isinstance(piece, FileSlice) else (piece,):
            _write_all(stream, data)


def _write_all(stream: BinaryDestination, data: Bytes) -> None:
    """Write all of `data`, which is not empty: a stream without a buffer may take a part at a time.

    Raises BlockingIOError where it takes nothing.
    """
    left: Bytes = data if isinstance(data, bytes) else memoryview(data).cast("B")
    while left:
        # A view is as good as bytes to all that takes these, though not to type checkers.
        count: int | None = stream.write(cast("bytes", left))
        if count is None and not isinstance(stream, io.RawIOBase):
            return  # A stream of the user's own that returns None has taken everything.
        if not count:
            raise BlockingIOError(errno.EAGAIN, "the stream is full: open one that blocks")
        left = memoryview(left)[count:]


def write_here(pieces: Iterable[Content], target: int, progress: Callable[[int], None]) -> None:
    """Write pieces from the position of `target` on, and tell how many bytes each step wrote."""
    for piece in _joined(pieces):
        if isinstance(piece, FileSlice):
            append_slice(piece, target, progress)
            continue
        left = memoryview(piece).cast("B")
        while left:
            count = os.write(target, left[:_BUFFER])
            left = left[count:]
            progress(count)


def _fill(pieces: Iterable[Content], target: int, *, in_place: str = "") -> None:
    """Write pieces to an open file, in any order; those of the file `in_place` are where they have to be."""
    position, slices = 0, []
    for piece in _joined(pieces):
        if not isinstance(piece, FileSlice):
            write_all_at(target, piece, position)
        elif piece.path != in_place:
            slices.append((piece, position))
        position += size_of(piece)
    copy_slices(slices, target)


def _joined(pieces: Iterable[Content]) -> Iterable[Content]:
    """Join small pieces into larger ones; large ones are passed on as they are."""
    buffer = bytearray()
    for piece in pieces:
        size = size_of(piece)
        if size <= _SMALL:
            buffer += read_slice(piece) if isinstance(piece, FileSlice) else piece
        if len(buffer) >= _BUFFER or (buffer and size > _SMALL):
            yield bytes(buffer)
            buffer.clear()
        if size > _SMALL:
            yield piece
    if buffer:
        yield bytes(buffer)
