"""An HTTP cache written by hand, which can be told to misbehave for its next requests."""

from __future__ import annotations

import re
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.remote.http.transport import HttpTransport
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.store.content import ContentStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client asked: its body is all that came of it."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"


class Handler(BaseHTTPRequestHandler):
    """One request at a time: the next odd answer, or what a good cache answers."""

    protocol_version = "HTTP/1.1"
    server: Any

    def answer(self, status: int, body: bytes = b"", **headers: object) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), str(value))
        if not any(name.lower() in ("content_length", "transfer_encoding") for name in headers):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def hang_up(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(2)

    def well(self) -> None:
        stored: dict[str, bytes] = self.server.stored
        if self.command == "PUT":
            length = int(self.headers["Content-Length"])
            if len(self.request_body) == length:
                stored[self.path] = self.request_body
                self.answer(201)
            return
        content = stored.get(self.path)
        if content is None:
            self.answer(404, b"not here")
            return
        part = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        if part and self.command == "GET":
            start = int(part[1])
            where = f"bytes {start}-{len(content) - 1}/{len(content)}"
            self.answer(206, content[start:], Content_Range=where)
        else:
            self.answer(200, content)

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def _do(self) -> None:
        self.request_body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        with self.server.lock:
            self.server.requests.append(
                Request(
                    method=self.command,
                    path=self.path,
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.request_body,
                )
            )
            odd = self.server.odd.popleft() if self.server.odd else None
        if odd is not None:
            odd(self)
        else:
            self.well()

    do_GET = do_HEAD = do_PUT = _do

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """`stored` are bodies by path; `odd` answers the next requests in the place of the good cache."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.stored: dict[str, bytes] = {}
        self.requests: list[Request] = []
        self.odd: deque[Callable[[Handler], None]] = deque()
        self.lock = threading.Lock()
        self.over = threading.Event()
        """Set when the test is over, for those that wait."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def names(self) -> list[str]:
        return [request.name for request in self.requests]

    def handle_error(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def new_server() -> Iterator[Callable[[], Server]]:
    servers: list[Server] = []

    def start() -> Server:
        servers.append(Server())
        threading.Thread(
            target=servers[-1].serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        ).start()
        return servers[-1]

    yield start
    for server in servers:
        server.over.set()
        server.shutdown()
        server.server_close()


@pytest.fixture
def server(new_server: Callable[[], Server]) -> Server:
    return new_server()


@pytest.fixture
def new_transport() -> Iterator[Callable[..., HttpTransport]]:
    transports: list[HttpTransport] = []

    def connect(url: str, **more: Any) -> HttpTransport:
        settings = {"timeout_s": 60.0, "retries": 3, **more}
        transports.append(HttpTransport(RemoteSettings(cache=url, **settings)))
        return transports[-1]

    yield connect
    for transport in transports:
        transport.close()


@pytest.fixture
def transport(server: Server, new_transport: Callable[..., HttpTransport]) -> HttpTransport:
    return new_transport(server.url)


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    return ContentStore(str(tmp_path / "störe"))
