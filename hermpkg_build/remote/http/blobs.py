"""Blobs over HTTP: fetched in pieces and resumed where a connection breaks, sent and checked on the way."""

from __future__ import annotations

import re
from collections.abc import Iterator

import urllib3

from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.remote.failures import AttemptFailedError
from hermpkg_build.remote.http.failures import ABSENT
from hermpkg_build.remote.http.server import HttpServer
from hermpkg_build.remote.incoming_blob import Arrival
from hermpkg_build.remote.outgoing_blob import Departure
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

_PIECE = 128 << 10
"""Bytes read at a time: what TLS gives piecemeal is gathered, and stays in the processor's cache."""

_WORTH = 1 << 20
"""Bytes that must come between two failures for them not to be counted as one row."""

_CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


def blob_path(digest: Digest) -> str:
    """Where a blob is, below the URL of a cache."""
    return f"/cas/{digest.hash}"


def read_blob(server: HttpServer, digest: Digest, content: ContentStore, staging: str) -> bool:
    """Bring a blob into `content`; False where the server does not have it whole. Raises RemoteError.

    After a failure, reading goes on behind the last byte that arrived, where the server can do that.
    """
    attempts = server.attempts(f"download {digest.size:,} bytes")
    farthest = 0
    while True:
        with Arrival(digest, content, staging) as arrival:

            def go_on(arrival: Arrival = arrival) -> bool:
                nonlocal farthest
                try:
                    return _receive(server, arrival)
                except AttemptFailedError:
                    if arrival.received >= farthest + _WORTH:
                        farthest = arrival.received
                        attempts.progressed()
                    raise

            try:
                return attempts.of(go_on) and arrival.keep()
            except _NoPartsError:
                continue
            except _WrongError:
                return False


def write_blob(server: HttpServer, blob: Blob) -> bool:
    """Bring a blob to the server; False where its file is gone or has other bytes. Raises RemoteError.

    The server does not check what it is sent: the end of what turns out wrong is never sent, so that
    what there is of it is no file to the server.
    """
    attempts = server.attempts(f"upload {blob.digest.size:,} bytes")
    departure = Departure(blob, zstd=False)
    headers = {"Content-Length": str(blob.digest.size), "Content-Type": "application/octet-stream"}

    def send() -> bool:
        path = blob_path(blob.digest)
        with server.exchange("PUT", path, headers=headers, body=lambda: _pieces(departure)):
            return True

    try:
        return attempts.of(send)
    except _LostError:
        return False


def _receive(server: HttpServer, arrival: Arrival) -> bool:
    """Take the rest of a blob from the server; False where it does not have the blob.

    An answer is not read to its end where that cannot be the end of the blob.
    """
    start, size = arrival.received, arrival.digest.size
    part = {"Range": f"bytes={start}-"} if start else {}
    with server.exchange("GET", blob_path(arrival.digest), headers=part, expected=[416]) as response:
        if response.status in ABSENT:
            return False
        if start and _begins_at(response) != start:
            raise _NoPartsError
        length = response.headers.get("Content-Length", "")
        if length.isdecimal() and int(length) != size - start:
            raise _WrongError
        while piece := response.read(_PIECE, decode_content=False):
            arrival.take(piece)
            if arrival.received > size:
                raise _WrongError
        return True


def _begins_at(response: urllib3.BaseHTTPResponse) -> int | None:
    """Where the part of a blob begins that is in an answer; None where it is none."""
    match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", "").strip())
    return int(match[1]) if match and response.status == 206 else None


class _NoPartsError(Exception):
    """A server sends something else than the part of a blob that it was asked for."""


class _WrongError(Exception):
    """A server sends too few or too many bytes for them to be those of the blob."""


class _LostError(Exception):
    """A file that is being sent is gone, or no longer has its bytes."""


def _pieces(departure: Departure) -> Iterator[Bytes]:
    """What to send: in small pieces, for the time limit is for each of them."""
    for _, piece, _ in departure.pieces(0):
        view = memoryview(piece)
        yield from (view[start : start + _PIECE] for start in range(0, len(view), _PIECE))
    if departure.lost:
        raise _LostError
