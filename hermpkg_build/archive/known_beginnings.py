"""Writes an archive over a file that begins as it does: only what follows on the same tensors is written."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Collection, Sequence

from hermpkg_build.archive.first_bytes import KnownFile
from hermpkg_build.archive.plan import plan_archive
from hermpkg_build.archive.records import Content, FileSlice, Record, size_of
from hermpkg_build.archive.replaced_records import PresentArchive
from hermpkg_build.archive.slices import crc32_of
from hermpkg_build.archive.writer import MODE, Placed, telling, write_here
from hermpkg_build.core.digest import Digest
from hermpkg_build.disk.concurrent_hash import WrittenBytes
from hermpkg_build.disk.files import write_all
from hermpkg_build.disk.midstates import Midstate, last_before, remembering_hash
from hermpkg_build.disk.signatures import FileSignature, signature_of
from hermpkg_build.disk.spare_files import WORTHWHILE, taken


def write_after_tensors(
    path: str,
    *,
    root: str,
    records: Sequence[Record],
    present: int,
    known: KnownFile,
    same: Callable[[PresentArchive], Collection[str]],
    spare: str,
    placed: Placed | None = None,
) -> tuple[Digest, Sequence[Midstate]] | None:
    """Write what `write_archive` does over the spare file of the archive that is at `path` and is `known`.

    That archive is open at `present`, and `same` are its records that have the bytes of those of their names
    among the new `records`. For their bytes its signature vouches. None, and nothing is done, where that
    spares little, or there is no spare file. Returns the digest, and midstates on the way; `placed` is told
    as by `write_archive`, and what that raises is raised.
    """
    status = signature_of(os.fstat(present))
    # It got another name since it is known, which changes one of its times.
    if known.spare is None or not known.size or _unchanged(status) != _unchanged(known.signature):
        return None
    with telling(path), mmap.mmap(present, 0, access=mmap.ACCESS_READ) as mapped, memoryview(mapped) as view:
        archive = PresentArchive(view)
        start = archive.end_of_first(same(archive))
        pieces = _after(view[:start], [*plan_archive(root, records, crc32_of=crc32_of)])
        there = min(known.spare.same, start)
        midstate = last_before(known.midstates, start)
        hash_ = remembering_hash(midstate) if midstate is not None else None
        if pieces is None or there < WORTHWHILE or midstate is None or hash_ is None:
            return None
        new = taken(spare, known.spare, mode=MODE)
        if new is None:
            return None
        with new, WrittenBytes(new.descriptor, hash_.update, start=start) as rest:
            hash_.update(view[midstate[0] : start])
            os.lseek(new.descriptor, there, os.SEEK_SET)
            write_all(new.descriptor, view[there:start])
            write_here(pieces, new.descriptor, rest.advance)
            size = start + rest.finish()
            os.ftruncate(new.descriptor, size)
            if signature_of(os.fstat(present)) != status:
                return None
            new.replace(path)
            if placed is not None:
                placed(signature_of(os.fstat(new.descriptor)))
        return Digest(hash_.hexdigest(), size), tuple(hash_.midstates)


def _unchanged(signature: FileSignature) -> tuple[int, ...]:
    size, mtime, _, inode, device = signature
    return size, mtime, inode, device


def _after(beginning: memoryview, pieces: Sequence[Content]) -> Sequence[Content] | None:
    """Return the pieces that follow on those which make a `beginning`; None where they do not make it.

    Slices of files are known to be the same, so that they are not compared.
    """
    position = 0
    for number, piece in enumerate(pieces):
        if position == len(beginning):
            return pieces[number:]
        end = position + size_of(piece)
        if end > len(beginning) or not (isinstance(piece, FileSlice) or beginning[position:end] == piece):
            return None
        position = end
    return None
