"""A registry in this process, which does as the OCI distribution API says unless a test has it not."""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from hermpkg_build.archive.writer import Record, write_archive
from hermpkg_build.registry import pull as registry_pull
from hermpkg_build.registry.reference import Reference
from hermpkg_build.registry.server import Connection
from hermpkg_build.store.cache import Cache, open_cache

Fault = Callable[["Handler"], bool]


class Registry:
    """`faults` see each request first, and answer those for which they are true; `asked` is what came.

    With a `user` ("name:password") it wants tokens, which it gives itself.
    """

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.manifests: dict[str, tuple[str, bytes]] = {}
        self.uploads: dict[str, bytearray] = {}
        self.numbers = itertools.count()
        self.faults: list[Fault] = []
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.user = ""
        self.lists_referrers = True
        self.moved = 0
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.registry = self  # type: ignore[attr-defined]
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def reference(self, tag: str = "1", repository: str = "team/net") -> Reference:
        return Reference.parse(f"oci://{self.host}/{repository}:{tag}")

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def methods(self) -> list[str]:
        return [method for method, _, _ in self.asked]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def registry(self) -> Registry:
        return self.server.registry  # type: ignore[attr-defined,no-any-return]

    def log_message(self, *arguments: object) -> None:
        pass

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except ConnectionError:
            self.close_connection = True

    def answer(self, status: int, data: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def fail(self, status: int, code: str = "UNKNOWN") -> None:
        self.answer(status, json.dumps({"errors": [{"code": code, "message": code.lower()}]}).encode())

    def body(self) -> bytes:
        data = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.registry.moved += len(data)
        return data

    def handle_all(self) -> None:
        parts = urlsplit(self.path)
        self.registry.asked.append((self.command, self.path, dict(self.headers)))
        if any(fault(self) for fault in list(self.registry.faults)):
            return
        if parts.path == "/token":
            self.give_token()
        elif self.registry.user and self.headers.get("Authorization") != "Bearer good":
            self.body()
            realm = f'Bearer realm="http://{self.registry.host}/token",service="here"'
            data = b'{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}'
            self.answer(401, data, WWW_Authenticate=realm)
        elif match := re.fullmatch(r"/v2/(.+)/(blobs|manifests|referrers)/(.*)", parts.path):
            repository, kind, rest = match.groups()
            getattr(self, kind)(repository, rest, parse_qs(parts.query))
        else:
            self.answer(200, b"{}")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = handle_all

    def give_token(self) -> None:
        sent = self.headers.get("Authorization", "")
        fields = parse_qs(self.body().decode())
        expected = f"Basic {base64.b64encode(self.registry.user.encode()).decode()}"
        if sent == expected or fields.get("refresh_token") == ["identity"]:
            self.answer(200, b'{"token":"good"}')
        else:
            self.fail(401, "UNAUTHORIZED")

    def blobs(self, repository: str, rest: str, query: dict[str, list[str]]) -> None:
        blobs, uploads = self.registry.blobs, self.registry.uploads
        if rest.startswith("sha256:"):
            data = blobs.get(rest)
            if data is None:
                self.fail(404, "BLOB_UNKNOWN")
            elif match := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
                start = int(match[1])
                self.answer(206, data[start:], Content_Range=f"bytes {start}-{len(data) - 1}/{len(data)}")
            else:
                self.answer(200, data)
        elif self.command == "POST":
            self.body()
            if query.get("from") and query["mount"][0] in blobs:
                self.answer(201)
                return
            number = str(next(self.registry.numbers))
            uploads[number] = bytearray()
            self.answer(202, Location=f"/v2/{repository}/blobs/uploads/{number}")
        else:
            self.upload(rest.removeprefix("uploads/"), query)

    def upload(self, number: str, query: dict[str, list[str]]) -> None:
        held = self.registry.uploads.get(number)
        if held is None:
            self.body()
            self.fail(404, "BLOB_UPLOAD_UNKNOWN")
            return
        if self.command in ("PATCH", "PUT"):
            held += self.body()
        if self.command == "PUT":
            digest = f"sha256:{hashlib.sha256(held).hexdigest()}"
            if query["digest"] != [digest]:
                self.fail(400, "DIGEST_INVALID")
                return
            self.registry.blobs[digest] = bytes(held)
            self.answer(201)
        else:
            self.answer(202 if self.command == "PATCH" else 204, Range=f"0-{max(len(held) - 1, 0)}")

    def manifests(self, repository: str, version: str, query: dict[str, list[str]]) -> None:
        stored = self.registry.manifests
        if self.command == "PUT":
            data = self.body()
            digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
            stored[version] = stored[digest] = (self.headers["Content-Type"], data)
            subject = json.loads(data).get("subject")
            more = {"OCI_Subject": subject["digest"]} if subject and self.registry.lists_referrers else {}
            self.answer(201, **more)
        elif version in stored:
            self.answer(200, stored[version][1], Content_Type=stored[version][0])
        else:
            self.fail(404, "MANIFEST_UNKNOWN")

    def referrers(self, repository: str, digest: str, query: dict[str, list[str]]) -> None:
        if not self.registry.lists_referrers:
            self.fail(404)
            return
        listed = []
        for version, (kind, data) in self.registry.manifests.items():
            value = json.loads(data)
            if version.startswith("sha256:") and value.get("subject", {}).get("digest") == digest:
                size, own = len(data), value.get("artifactType")
                listed.append({"mediaType": kind, "digest": version, "size": size, "artifactType": own})
        self.answer(200, json.dumps({"schemaVersion": 2, "manifests": listed}).encode())


@pytest.fixture(autouse=True)
def nobody_logged_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Docker's folder of this test."""
    for name in ("REGISTRY_AUTH_FILE", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "http_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path / "docker"))
    (tmp_path / "docker").mkdir()
    return tmp_path / "docker"


@pytest.fixture(autouse=True)
def large_layers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers arrive in the file itself here from 200 KiB on."""
    monkeypatch.setattr(registry_pull, "LARGE", 200 << 10)


@pytest.fixture
def registry() -> Iterator[Registry]:
    with closing(Registry()) as server:
        yield server


@pytest.fixture
def other_registry() -> Iterator[Registry]:
    with closing(Registry()) as server:
        yield server


@pytest.fixture
def connection() -> Connection:
    return Connection(timeout_s=5, retries=3)


@pytest.fixture
def cache(tmp_path: Path) -> Iterator[Cache]:
    with closing(open_cache(str(tmp_path / "cache"))) as opened:
        yield opened


@pytest.fixture
def write_model(tmp_path: Path) -> Callable[..., str]:
    """Writes an artifact with three large records and some small ones; `seed` is in one of the large ones."""

    def write(name: str = "net.pt", seed: int = 0) -> str:
        records = {
            ".data/version": b"6\n",
            ".data/extern_modules": b"torch\n",
            **{f"net/m{number}.py": b"x = %d\n" % number for number in range(20)},
            **{f".data/{number}.storage": bytes([number]) * (300 << 10) for number in range(2)},
            ".data/2.storage": hashlib.sha256(b"%d" % seed).digest() * (10 << 10),
        }
        path = str(tmp_path / name)
        write_archive(path, root="net", records=[Record(name=n, content=c) for n, c in records.items()])
        return path

    return write


def rewritten(registry: Registry, tag: str, change: Callable[[dict[str, Any]], None]) -> None:
    """Change the manifest of a tag as a registry that means no good could."""
    kind, data = registry.manifests[tag]
    value = json.loads(data)
    change(value)
    registry.manifests[tag] = (kind, json.dumps(value).encode())


@pytest.fixture
def rewrite() -> Callable[[Registry, str, Callable[[dict[str, Any]], None]], None]:
    return rewritten
