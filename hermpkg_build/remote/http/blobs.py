"""Reads and writes blobs over HTTP: in pieces, resumed where a connection breaks, checked on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Protocol

import urllib3

from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.remote.failures import AttemptFailedError
from hermpkg_build.remote.http.failures import ABSENT
from hermpkg_build.remote.http.server import HttpServer
from hermpkg_build.remote.incoming_blob import IncomingBlob
from hermpkg_build.remote.outgoing_blob import OutgoingBlob
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

_PIECE = 128 << 10
"""Bytes read at a time: what TLS gives piecemeal is gathered, and stays in the processor's cache."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def blob_path(digest: Digest) -> str:
    """Where a blob is, below the URL of a cache."""
    return f"/cas/{digest.hash}"


class Incoming(Protocol):
    """A blob on its way: it takes pieces, and says in the end whether they were the blob."""

    @property
    def digest(self) -> Digest:
        """What it should be."""
        ...

    @property
    def received(self) -> int:
        """How many bytes arrived."""
        ...

    def take(self, piece: Bytes) -> None:
        """Take the next bytes."""
        ...

    def restart(self) -> None:
        """Drop what came, to take the blob from its beginning."""
        ...

    def keep(self) -> bool:
        """Keep what came if it is the blob; whether it is."""
        ...


def read_blob(
    server: HttpServer, digest: Digest, *, content: ContentStore, staging: str, path: str = ""
) -> set[Digest]:
    """Fetch a blob into `content`; gives its digest where the server lacks it. Raises RemoteError.

    It is at `path` on the server, where that is given, else where caches have it.
    """
    with IncomingBlob(digest, content, staging) as incoming:
        return set() if receive_blob(server, path or blob_path(digest), incoming) else {digest}


def receive_blob(server: HttpServer, path: str, incoming: Incoming) -> bool:
    """Fetch the blob at a path; whether the server has it. Raises RemoteError.

    After a failure, reading goes on behind the last byte that arrived, where the server can do that.
    """
    attempts = server.attempts(f"download {incoming.digest.size:,} bytes")
    while True:
        try:
            return _receive(server, path, incoming) and incoming.keep()
        except _NoPartsError:  # noqa: PERF203 - next to a request it costs nothing
            incoming.restart()
        except AttemptFailedError as error:
            attempts.advanced(incoming.received)
            attempts.failed(error)


def write_blob(server: HttpServer, blob: Blob) -> None:
    """Upload a blob, unless its file is gone or has other bytes. Raises RemoteError.

    The server does not check what it is sent. Of wrong bytes the end is never sent, so that the server
    drops the rest.
    """
    outgoing = OutgoingBlob(blob, zstd=False)
    path, size = blob_path(blob.digest), blob.digest.size
    with suppress(_LostError):
        server.put(path, size, lambda: _pieces(outgoing), doing=f"upload {size:,} bytes")


def _receive(server: HttpServer, path: str, incoming: Incoming) -> bool:
    """Read the rest of a blob from the server; False where it does not have the blob, or another length.

    An answer of another length is not read to its end.
    """
    start, size = incoming.received, incoming.digest.size
    part = {"Range": f"bytes={start}-"} if start else {}
    with server.exchange("GET", path, headers=part, expected=[416]) as response:
        if response.status in ABSENT:
            return False
        if start and _begins_at(response) != start:
            raise _NoPartsError
        length = response.headers.get("Content-Length", "")
        wrong = length.isdecimal() and length.lstrip("0") != str(size - start).lstrip("0")
        while not wrong and (piece := response.read(_PIECE, decode_content=False)):
            incoming.take(piece)
            wrong = incoming.received > size
        if wrong:
            response.close()
        return not wrong


def _begins_at(response: urllib3.BaseHTTPResponse) -> int | None:
    """Where the part of a blob in an answer begins; None where the answer is not a part."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return int(match[1]) if match and response.status == 206 else None


class _NoPartsError(Exception):
    """The server sent something else than the part of a blob that it was asked for."""


class _LostError(Exception):
    """A file that is being sent is gone, or has other bytes."""


def _pieces(outgoing: OutgoingBlob) -> Iterator[Bytes]:
    """The body of an upload, in small pieces: each has the time limit for itself."""
    for _, piece, _ in outgoing.pieces(0):
        view = memoryview(piece)
        yield from (view[start : start + _PIECE] for start in range(0, len(view), _PIECE))
    if outgoing.lost:
        raise _LostError
