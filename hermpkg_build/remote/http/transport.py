"""The protocol of Bazel's HTTP caches: results under ``/ac/``, contents under ``/cas/``.

See https://bazel.build/remote/caching#http-caching.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from functools import partial

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.concurrently import all_of
from hermpkg_build.remote.http.blobs import blob_path, read_blob, write_blob
from hermpkg_build.remote.http.connections import TooSlowError
from hermpkg_build.remote.http.failures import ABSENT
from hermpkg_build.remote.http.server import HttpServer
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import EMPTY, Blob
from hermpkg_build.store.content import ContentStore

_RESULT_LIMIT = 64 << 20
"""Bytes of the largest result that is read."""


class HttpTransport:
    """The cache at the ``http://`` or ``https://`` URL `settings.cache`.

    The empty blob never travels. Raises RemoteError where the URL or a certificate cannot be used.
    """

    def __init__(self, settings: RemoteSettings) -> None:
        self._server = HttpServer(settings, settings.cache)

    def get_result(self, action: Digest) -> bytes | None:
        """The serialised ``ActionResult`` of the action with this digest; None where there is none."""
        return self._server.attempts("look for the result of an action").of(lambda: self._read_result(action))

    def put_result(self, action: Digest, result: bytes) -> None:
        """Store a serialised ``ActionResult``; all contents that it names have been uploaded."""
        path, doing = _result_path(action), "upload the result of an action"
        self._server.put(path, len(result), lambda: [result], doing=doing)

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Those of `digests` whose contents the server does not have, or not in their length."""
        ordered = sorted(set(digests) - {EMPTY})
        has = all_of(*(partial(self._has, digest) for digest in ordered))
        return {digest for digest, there in zip(ordered, has, strict=True) if not there}

    def download(self, digests: Collection[Digest], content: ContentStore) -> set[Digest]:
        """Fetch contents into `content`, each hashed on arrival.

        Gives those that the server does not have whole: absent, truncated, or other bytes.
        Raises LocalEnvironmentError where `content` is full or not writable.
        """
        if EMPTY in digests:
            content.put_bytes(b"")
        wanted = sorted(set(digests) - {EMPTY}, key=lambda digest: digest.size, reverse=True)
        with content.staging() as staging:
            read = partial(read_blob, self._server, content=content, staging=staging)
            return set().union(*all_of(*(partial(read, digest) for digest in wanted)))

    def upload(self, blobs: Sequence[Blob]) -> None:
        """Upload contents, except for files that are gone or have other bytes."""
        wanted = {blob.digest: blob for blob in blobs if blob.digest != EMPTY}
        all_of(*(partial(write_blob, self._server, blob) for blob in wanted.values()))

    def close(self) -> None:
        """Close the connections. Requests under way in other threads fail."""
        self._server.close()

    def _read_result(self, action: Digest) -> bytes | None:
        with self._server.exchange("GET", _result_path(action)) as response:
            if response.status in ABSENT:
                return None
            pieces, size, limit_s = [], 0, self._server.timeout_s / 2
            end = time.monotonic() + limit_s
            while piece := response.read1(_RESULT_LIMIT, decode_content=False):
                pieces.append(piece)
                size += len(piece)
                if size > _RESULT_LIMIT:
                    response.close()
                    return None
                if time.monotonic() > end:
                    raise TooSlowError(f"its answer goes on after {limit_s:g} s")
            return b"".join(pieces)

    def _has(self, digest: Digest) -> bool:
        def look() -> bool:
            # A server that does not know HEAD knows PUT all the same.
            with self._server.exchange("HEAD", blob_path(digest), expected=[405, 501]) as response:
                length = response.headers.get("Content-Length", "")
                return response.status == 200 and length in ("", str(digest.size))

        return self._server.attempts("ask which contents the server has").of(look)


def _result_path(action: Digest) -> str:
    return f"/ac/{action.hash}"
