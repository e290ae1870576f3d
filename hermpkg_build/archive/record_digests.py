"""Reads many records of an archive on all cores, each once, for its SHA-256 and its CRC-32."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple, Protocol

from hermpkg_build.core.digest import Checksum
from hermpkg_build.disk.all_cores import Job, on_all_cores
from hermpkg_build.errors import ArchiveError

_MOST_TOGETHER = 256
"""So many records are one job at most: what is small takes its time in Python, one core at a time."""

_AT_ONCE = 256 << 10
"""So many bytes stay in the processor's cache, in memory that is there, for both sums."""


class RecordDigest(NamedTuple):
    """The SHA-256 and CRC-32 of the bytes that a record has; why it cannot be read, if that is so."""

    name: str
    sha256: str = ""
    crc32: int = 0
    problem: ArchiveError | None = None


class _Archive(Protocol):
    def pieces(self, name: str, buffer: memoryview, /) -> Iterator[memoryview]: ...


def digest_records(
    archive: _Archive, names: Iterable[str], checksum: Checksum = zlib.crc32
) -> list[RecordDigest]:
    """Read records, and return what was found in the order of `names`; `checksum` computes the CRC-32."""
    listed = list(names)
    together = min(_MOST_TOGETHER, 1 + len(listed) // 64)
    jobs = [_digest(archive, listed[at : at + together], checksum) for at in range(0, len(listed), together)]
    return [digest for group in on_all_cores(jobs) for digest in group]


def _digest(archive: _Archive, names: Sequence[str], checksum: Checksum) -> Job[list[RecordDigest]]:
    found = []
    buffer = memoryview(bytearray(_AT_ONCE))
    for name in names:
        sha, crc = hashlib.sha256(), 0
        try:
            for piece in archive.pieces(name, buffer):
                sha.update(piece)
                crc = checksum(piece, crc)
                yield
        except ArchiveError as error:
            found.append(RecordDigest(name, problem=error))
        else:
            found.append(RecordDigest(name, sha.hexdigest(), crc))
    return found
