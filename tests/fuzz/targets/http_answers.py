"""What a server over HTTP answers, from the status line to the last byte."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

from laws import Reader, target_of

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.cache import RemoteCache
from hermpkg_build.remote.http.transport import HttpTransport
from hermpkg_build.remote.reapi.entries import SharedAction, encode_entry
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.action_cache import ActionResult, encode_result
from hermpkg_build.store.content import ContentStore

_KEY = Digest.of(b"an action")
_DATA = b"contents " * 40
_DIGEST = Digest.of(_DATA)
_ACTION = SharedAction(name="make 1", key=_KEY)
_TIMEOUT_S = 0.5


class Silent:
    """Is told of transfers, and tells nobody."""

    def transfer_started(self, *_: object) -> None:
        """Pass over it."""

    def transfer_ended(self, *_: object) -> None:
        """Pass over it."""

    def uploads_awaited(self, number: int) -> None:
        """Pass over it."""

    def warn_for_this_build(self, text: str) -> None:
        """Pass over it."""


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of answers."""
    server = _Server()
    settings = RemoteSettings(
        cache=server.url, retries=0, timeout_s=_TIMEOUT_S, first_answer_s=_TIMEOUT_S, upload=False
    )
    content = ContentStore(str(folder / "content"))
    transport = HttpTransport(settings)
    entry = encode_entry({"a": _DIGEST}, encode_result(_KEY, ActionResult(outputs={"a": _DIGEST}, facts=[1])))

    def asking(ask: Callable[[HttpTransport], object]) -> Callable[[bytes], object]:
        def read(data: bytes) -> object:
            server.answer = data
            return ask(transport)

        return read

    def download(transport: HttpTransport) -> None:
        for path in content._paths(_DIGEST):
            Path(path).unlink(missing_ok=True)
        lost = transport.download([_DIGEST], content)
        assert lost or content.get_bytes(_DIGEST) == _DATA

    def get(transport: HttpTransport) -> None:
        found = RemoteCache(transport, content, Silent()).get(_ACTION)
        assert found is None or found.outputs == {"a": _DIGEST}

    moved = b"HTTP/1.1 302 Found\r\nLocation: " + server.url.encode() + b"/else\r\nContent-Length: 0\r\n\r\n"
    return {
        "result": Reader(sound=_answer(entry), read=asking(get)),
        "blob": Reader(sound=_answer(_DATA), read=asking(download)),
        "chunked": Reader(
            sound=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n168\r\n" + _DATA + b"\r\n0\r\n\r\n",
            read=asking(download),
        ),
        "part": Reader(
            sound=_answer(_DATA, b"Content-Range: bytes 0-359/360\r\n").replace(b"200", b"206"),
            read=asking(download),
        ),
        "packed": Reader(
            sound=_answer(zlib.compress(_DATA), b"Content-Encoding: deflate\r\n"), read=asking(download)
        ),
        "refused": Reader(
            sound=b"HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=\"x\"\r\nRetry-After: 0\r\n\r\nwords",
            read=asking(download),
        ),
        "moved": Reader(sound=moved, read=asking(download)),
        "missing": Reader(
            sound=b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            read=asking(lambda transport: transport.missing([_DIGEST])),
        ),
        "upload": Reader(
            sound=b"HTTP/1.1 201 Made\r\nContent-Length: 2\r\n\r\nok",
            read=asking(lambda transport: transport.upload([Blob.of(_DATA)])),
        ),
    }  # fmt: skip


def _answer(body: bytes, headers: bytes = b"") -> bytes:
    return b"HTTP/1.1 200 OK\r\n%sContent-Length: %d\r\n\r\n%s" % (headers, len(body), body)


class _Server:
    """Gives every request the same answer, and hangs up."""

    def __init__(self) -> None:
        self.answer = b""
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listening.accept()
            with connection, contextlib.suppress(OSError):
                connection.settimeout(_TIMEOUT_S)
                head = b""
                while b"\r\n\r\n" not in head and (piece := connection.recv(1 << 16)):
                    head += piece
                head, _, body = head.partition(b"\r\n\r\n")
                length = re.search(rb"content-length: *(\d+)", head.lower())
                while length and len(body) < int(length[1]) and (piece := connection.recv(1 << 16)):
                    body += piece
                connection.sendall(self.answer)


TARGET = target_of(readers)
