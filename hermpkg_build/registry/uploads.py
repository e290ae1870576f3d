"""Uploads blobs to a registry: mounted where it can be, in chunks, going on behind what has arrived."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from http import HTTPStatus
from typing import TypeAlias
from urllib.parse import quote

import urllib3

from hermpkg_build.core.digest import Bytes, Digest
from hermpkg_build.registry.server import RegistryServer
from hermpkg_build.remote.failures import AttemptFailedError
from hermpkg_build.remote.http.server import target_of

CHUNK = 64 << 20
"""Bytes that one request carries: what is lost at most where a connection breaks."""

_LARGEST_CHUNK = 1 << 30
_PIECE = 128 << 10
_ALONE = 4 << 20
"""A blob of so many bytes travels in the request that ends its upload."""

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,19})")
_NO_CHUNKS = (404, 405, 411, 415, 501)

Body: TypeAlias = Callable[[int], Iterable[Bytes]]
"""Gives the bytes of a blob from an offset on, anew for each attempt."""


def upload(
    server: RegistryServer, repository: str, digest: Digest, body: Body, *, mount_from: str = ""
) -> bool:
    """Store a blob in the repository at a path; whether its bytes had to travel. Raises RemoteError."""
    attempts = server.attempts(f"upload {digest.size:,} bytes")
    session: _Session | None = None
    chunked = digest.size > _ALONE
    while True:
        try:
            if session is None:
                session = _begin(server, repository, digest, mount_from)
                if session is None:
                    return False
                mount_from = ""
            elif session.broken and chunked:
                session.look()
            while chunked and session.received < digest.size:
                session.send(body, digest)
                attempts.advanced(session.received)
            session.end(body, digest)
            return True
        except _NoChunksError:  # noqa: PERF203 - next to a request it costs nothing
            chunked, session = False, None
        except _LostError as error:
            session = None
            attempts.failed(error.failure)
            if attempts.of(lambda: has_blob(server, repository, digest)):
                return True  # What was lost was the answer to its end.
        except AttemptFailedError as error:
            session = session if chunked else None
            attempts.failed(error)


def has_blob(server: RegistryServer, repository: str, digest: Digest) -> bool:
    """Tell whether a repository has a blob. Raises AttemptFailedError."""
    path = f"{repository}/blobs/sha256:{digest.hash}"
    with server.exchange("HEAD", path, expected=[404, 405]) as response:
        length = response.headers.get("Content-Length", "")
        return response.status == 200 and length in ("", str(digest.size))


class _NoChunksError(Exception):
    """The registry takes no blobs in chunks."""


class _LostError(Exception):
    """The registry knows the upload no more, or has other bytes of it: it begins anew."""

    def __init__(self, failure: AttemptFailedError) -> None:
        super().__init__(str(failure))
        self.failure = failure


class _Session:
    """An upload that was begun, at the place `url`; `received` says how many bytes the registry has."""

    def __init__(self, server: RegistryServer, url: str, least: int) -> None:
        self._server = server
        self._url = url
        self._chunk = min(max(CHUNK, least), _LARGEST_CHUNK)
        self.received = 0
        self.broken = False

    def look(self) -> None:
        """Ask how many bytes have arrived. Raises _LostError."""
        with self._server.exchange("GET", self._url, expected=[404, 405, 410, 416, 501]) as response:
            if response.status >= 300:
                raise _LostError(_gone(response.status))
            self._follow(response)
            self.received = _received(response, 0)
        self.broken = False

    def send(self, body: Body, digest: Digest) -> None:
        """Send the next chunk. Raises _NoChunksError, and _LostError where it is not the next."""
        start = self.received
        size = min(self._chunk, digest.size - start)
        headers = {
            "Content-Length": str(size),
            "Content-Range": f"{start}-{start + size - 1}",
            "Content-Type": "application/octet-stream",
        }
        self.broken = True
        with self._server.exchange(
            "PATCH",
            self._url,
            headers=headers,
            body=lambda: _part(body, start, size),
            expected=[*_NO_CHUNKS, 416],
        ) as response:
            if response.status in _NO_CHUNKS:
                if start or response.status == HTTPStatus.NOT_FOUND:
                    raise _LostError(_gone(response.status))
                raise _NoChunksError
            if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                raise AttemptFailedError(
                    "protocol", "it takes the next chunk from elsewhere", next_step=_STEP, passing=True
                )
            self._follow(response)
            self.received = _received(response, start + size)
        if not start < self.received <= start + size:
            raise _LostError(_gone(response.status))
        self.broken = False

    def end(self, body: Body, digest: Digest) -> None:
        """Send what is left, and the digest. Raises AttemptFailedError where the registry has other bytes."""
        start = self.received
        size = digest.size - start
        joint = "&" if "?" in self._url else "?"
        url = f"{self._url}{joint}digest={quote(f'sha256:{digest.hash}', safe='')}"
        headers = {"Content-Length": str(size), "Content-Type": "application/octet-stream"}
        self.broken = True
        with self._server.exchange(
            "PUT", url, headers=headers, body=lambda: _part(body, start, size), expected=[404, 416]
        ) as response:
            if response.status >= 300:
                raise _LostError(_gone(response.status))

    def _follow(self, response: urllib3.BaseHTTPResponse) -> None:
        if location := response.headers.get("Location"):
            self._url = target_of(self._url, location)


_STEP = "look into the log of the registry"


def _begin(server: RegistryServer, repository: str, digest: Digest, mount_from: str) -> _Session | None:
    """Begin an upload; None where the blob was mounted from another repository."""
    path = f"{repository}/blobs/uploads/"
    if mount_from:
        path += f"?mount={quote(f'sha256:{digest.hash}', safe='')}&from={quote(mount_from, safe='')}"
    with server.exchange("POST", path, headers={"Content-Length": "0"}) as response:
        if response.status == HTTPStatus.CREATED:
            return None
        location = response.headers.get("Location", "")
        least = response.headers.get("OCI-Chunk-Min-Length", "")
        if response.status != HTTPStatus.ACCEPTED or not location:
            raise AttemptFailedError("protocol", "it begins no upload (POST)", next_step=_STEP)
    url = target_of(f"{server.name}{path}", location)
    return _Session(server, url, int(least) if least.isdecimal() and len(least) < 12 else 0)


def _received(response: urllib3.BaseHTTPResponse, otherwise: int) -> int:
    """How many bytes the registry says that it has, by the number of the last; 0 stands for none."""
    match = _RANGE.fullmatch(response.headers.get("Range", "").strip())
    if not match:
        return otherwise
    last = int(match[1])
    return last + 1 if last else 0


def _part(body: Body, start: int, size: int) -> Iterator[Bytes]:
    """So many bytes of a blob, in small pieces: each has the time limit for itself."""
    left = size
    for chunk in body(start):
        view = memoryview(chunk)[:left]
        left -= len(view)
        yield from (view[at : at + _PIECE] for at in range(0, len(view), _PIECE))
        if not left:
            return


def _gone(status: int) -> AttemptFailedError:
    return AttemptFailedError(
        "protocol", f"it does not know the upload any more (status {status})", next_step=_STEP, passing=True
    )
