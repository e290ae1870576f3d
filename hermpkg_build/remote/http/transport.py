"""A cache that speaks Bazel's HTTP protocol: results under ``/ac/``, contents under ``/cas/``.

The protocol: https://bazel.build/remote/caching#http-caching.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.concurrently import all_of
from hermpkg_build.remote.http.blobs import blob_path, read_blob, write_blob
from hermpkg_build.remote.http.failures import ABSENT
from hermpkg_build.remote.http.server import HttpServer
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

_RESULT_LIMIT = 64 << 20
"""Bytes of a result; what is larger is none."""

_EMPTY = Digest.of(b"")


class HttpTransport:
    """The cache at the ``http://`` or ``https://`` URL `settings.cache`.

    The empty blob never travels. Raises RemoteError where the URL or a certificate is no good.
    """

    def __init__(self, settings: RemoteSettings) -> None:
        self._server = HttpServer(settings, settings.cache)

    def get_result(self, action: Digest) -> bytes | None:
        """The serialised ``ActionResult`` of the action with this digest; None where there is none."""
        return self._server.attempts("look for the result of an action").of(lambda: self._read_result(action))

    def put_result(self, action: Digest, result: bytes) -> None:
        """Keep a serialised ``ActionResult``; all contents that it names have been uploaded."""

        def write() -> None:
            with self._server.exchange(
                "PUT",
                _result_path(action),
                headers={"Content-Length": str(len(result)), "Content-Type": "application/octet-stream"},
                body=lambda: [result],
            ):
                pass

        self._server.attempts("upload the result of an action").of(write)

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        """Those of `digests` whose contents the server does not have, or not in their length."""
        ordered = sorted(set(digests) - {_EMPTY})
        has = all_of(*(partial(self._has, digest) for digest in ordered))
        return {digest for digest, there in zip(ordered, has, strict=True) if not there}

    def download(self, digests: Collection[Digest], content: ContentStore) -> set[Digest]:
        """Fetch contents into `content`, each hashed on arrival.

        Gives those that the server does not have whole: absent, truncated, or other bytes.
        Raises LocalEnvironmentError where `content` is full or not writable.
        """
        if _EMPTY in digests:
            content.put_bytes(b"")
        wanted = sorted(set(digests) - {_EMPTY}, key=lambda digest: digest.size, reverse=True)
        with content.staging() as staging:
            kept = all_of(*(partial(read_blob, self._server, digest, content, staging) for digest in wanted))
        return {digest for digest, here in zip(wanted, kept, strict=True) if not here}

    def upload(self, blobs: Sequence[Blob]) -> None:
        """Bring contents to the server. A file that is gone or no longer has its bytes is left out."""
        wanted = {blob.digest: blob for blob in blobs if blob.digest != _EMPTY}
        all_of(*(partial(write_blob, self._server, blob) for blob in wanted.values()))

    def close(self) -> None:
        """Let go of connections. Requests under way in other threads fail."""
        self._server.close()

    def _read_result(self, action: Digest) -> bytes | None:
        with self._server.exchange("GET", _result_path(action)) as response:
            if response.status in ABSENT:
                return None
            pieces, size = [], 0
            while piece := response.read1(_RESULT_LIMIT, decode_content=False):
                pieces.append(piece)
                size += len(piece)
                if size > _RESULT_LIMIT:
                    response.close()
                    return None
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
