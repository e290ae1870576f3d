"""A cache in this process that can be told to misbehave, a network that breaks, certificates of our own."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import zstandard

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.grpc import methods as grpc_methods
from hermpkg_build.remote.grpc.library import grpc
from hermpkg_build.remote.grpc.transport import GrpcTransport
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.store.content import ContentStore

_METHODS = {method.path: method for method in vars(grpc_methods).values() if hasattr(method, "path")}
_STREAMS = {"Read": grpc.unary_stream_rpc_method_handler, "Write": grpc.stream_unary_rpc_method_handler}


class FaultyCache(grpc.GenericRpcHandler):
    """Keeps blobs and results in memory as a server should, as long as it is not told otherwise.

    Its faults are the attributes below; each holds for all calls until it is changed.
    """

    def __init__(self) -> None:
        self.blobs: dict[Digest, bytes] = {}
        self.results: dict[Digest, messages.ActionResult] = {}
        self.capabilities = messages.ServerCapabilities(
            cache_capabilities=messages.CacheCapabilities(
                digest_functions=[messages.DigestFunction.SHA256],
                action_cache_update_capabilities=messages.ActionCacheUpdateCapabilities(update_enabled=True),
            ),
            low_api_version=messages.SemVer(major=2),
            high_api_version=messages.SemVer(major=2, minor=3),
        )
        self.calls: list[tuple[str, Any, dict[str, Any]]] = []
        """The name of the method, its request (the first of a stream), its metadata."""
        self.instance = ""
        self.token = ""
        self.failures: dict[str, list[str]] = {}
        """Status codes, by the name of the method, that its next calls get instead of an answer."""
        self.blob_failures: dict[Digest, list[str]] = {}
        """The same for one blob in a batch."""
        self.tampering: Callable[[Digest, bytes], bytes] = lambda _, data: data
        """What becomes of a blob on its way to the client."""
        self.piece = 1 << 20
        self.reads_end_after: list[int] = []
        """Bytes after which the next reads break."""
        self.writes_end_after: list[int] = []
        """Bytes after which the next writes break; they are kept, for the client to go on behind them."""
        self.forgets_writes = False
        self.stalls_s = 0.0
        """How long a read stands still in the middle."""
        self.over = threading.Event()
        """Set when the test is over."""
        self._partial: dict[str, bytearray] = {}

    def asked(self, name: str) -> list[Any]:
        """The requests that a method got."""
        return [request for method, request, _ in self.calls if method == name]

    def service(self, details: Any) -> Any:
        method = _METHODS.get(details.method)
        if method is None:
            return None
        name = details.method.rpartition("/")[2]
        handler = _STREAMS.get(name, grpc.unary_unary_rpc_method_handler)
        return handler(
            lambda request, context: self._answer(name, request, context),
            request_deserializer=method.request.FromString,
            response_serializer=method.response.SerializeToString,
        )

    def _answer(self, name: str, request: Any, context: Any) -> Any:
        metadata = dict(context.invocation_metadata())
        if name != "Write":
            self.calls.append((name, request, metadata))
        if self.token and metadata.get("authorization") != f"Bearer {self.token}":
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "who are you?")
        if self.failures.get(name):
            self._fail(context, self.failures[name].pop(0))
        if self.instance and getattr(request, "instance_name", self.instance) != self.instance:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "no such instance")
        return getattr(self, f"_{name}")(request, context)

    def _fail(self, context: Any, code: str, details: str = "as it was told") -> None:
        context.abort(getattr(grpc.StatusCode, code), details)

    def _GetCapabilities(self, _: Any, context: Any) -> Any:
        return self.capabilities

    def _GetActionResult(self, request: Any, context: Any) -> Any:
        result = self.results.get(_core(request.action_digest))
        return result or self._fail(context, "NOT_FOUND")

    def _UpdateActionResult(self, request: Any, context: Any) -> Any:
        self.results[_core(request.action_digest)] = request.action_result
        return request.action_result

    def _FindMissingBlobs(self, request: Any, context: Any) -> Any:
        missing = [digest for digest in request.blob_digests if _core(digest) not in self.blobs]
        return messages.FindMissingBlobsResponse(missing_blob_digests=missing)

    def _BatchReadBlobs(self, request: Any, context: Any) -> Any:
        assert sum(digest.size_bytes for digest in request.digests) <= 4 << 20
        response = messages.BatchReadBlobsResponse()
        for digest in map(_core, request.digests):
            data, compressor = self.blobs.get(digest), messages.Compressor.IDENTITY
            failures = self.blob_failures.get(digest)
            code = getattr(grpc.StatusCode, failures.pop(0)).value[0] if failures else 0
            if data is None:
                code = grpc.StatusCode.NOT_FOUND.value[0]
            elif messages.Compressor.ZSTD in request.acceptable_compressors:
                data, compressor = zstandard.compress(data), messages.Compressor.ZSTD
            response.responses.append(
                messages.BatchReadBlobsResponse.Response(
                    digest=_message(digest),
                    data=b"" if code else self.tampering(digest, data or b""),
                    compressor=compressor,
                    status=messages.Status(code=code),
                )
            )
        return response

    def _BatchUpdateBlobs(self, request: Any, context: Any) -> Any:
        response = messages.BatchUpdateBlobsResponse()
        for part in request.requests:
            failures = self.blob_failures.get(_core(part.digest))
            code = getattr(grpc.StatusCode, failures.pop(0)).value[0] if failures else 0
            data = part.data
            if part.compressor == messages.Compressor.ZSTD:
                data = zstandard.decompress(data)
            if Digest.of(data) != _core(part.digest):
                code = grpc.StatusCode.INVALID_ARGUMENT.value[0]
            if not code:
                self.blobs[_core(part.digest)] = data
            response.responses.append(
                messages.BatchUpdateBlobsResponse.Response(
                    digest=part.digest, status=messages.Status(code=code)
                )
            )
        return response

    def _Read(self, request: Any, context: Any) -> Iterator[Any]:
        digest, zstd = _resource(request.resource_name)
        data = self.blobs.get(digest)
        if data is None:
            self._fail(context, "NOT_FOUND")
            return
        sent = self.tampering(digest, data)[request.read_offset :]
        if zstd:
            sent = zstandard.compress(sent)
        end = self.reads_end_after.pop(0) if self.reads_end_after else len(sent)
        for start in range(0, min(end, len(sent)), self.piece):
            yield messages.ReadResponse(data=sent[start : min(start + self.piece, end)])
            if self.stalls_s:
                self.over.wait(self.stalls_s)
        if end < len(sent):
            self._fail(context, "UNAVAILABLE")

    def _Write(self, requests: Iterator[Any], context: Any) -> Any:
        first = next(requests)
        self.calls.append(("Write", first, dict(context.invocation_metadata())))
        digest, zstd = _resource(first.resource_name)
        if digest in self.blobs:
            return messages.WriteResponse(committed_size=-1 if zstd else digest.size)
        kept = self._partial.setdefault(first.resource_name, bytearray())
        if first.write_offset != len(kept):
            self._fail(context, "OUT_OF_RANGE")
        end = self.writes_end_after.pop(0) if self.writes_end_after else None
        request = first
        while True:
            kept += request.data
            if end is not None and len(kept) >= end:
                if self.forgets_writes:
                    self._partial.clear()
                self._fail(context, "UNAVAILABLE")
            if request.finish_write:
                break
            request = next(requests, None)
            if request is None:
                self._fail(context, "INVALID_ARGUMENT", "an end that was not announced")
        data = zstandard.ZstdDecompressor().decompressobj().decompress(kept) if zstd else bytes(kept)
        if Digest.of(data) != digest:
            self._fail(context, "INVALID_ARGUMENT", "not these bytes")
        self.blobs[digest] = data
        return messages.WriteResponse(committed_size=len(kept))

    def _QueryWriteStatus(self, request: Any, context: Any) -> Any:
        if request.resource_name not in self._partial:
            self._fail(context, "NOT_FOUND")
        return messages.QueryWriteStatusResponse(committed_size=len(self._partial[request.resource_name]))


def _core(digest: messages.Digest) -> Digest:
    return Digest(digest.hash, digest.size_bytes)


def _message(digest: Digest) -> messages.Digest:
    return messages.Digest(hash=digest.hash, size_bytes=digest.size)


def _resource(name: str) -> tuple[Digest, bool]:
    *before, hash_, size = name.split("/")
    return Digest(hash_, int(size)), before[-1] == "zstd"


class Network:
    """A way to the server at `port` that can be cut, or slow, by TCP alone: `url` leads through it."""

    def __init__(self, port: int) -> None:
        self.breaks_after: list[int] = []
        """Bytes from the server after which the next connections break."""
        self.delay_s = 0.0
        """How long everything from the server takes."""
        self.connections = 0
        self._to = port
        self._sockets: list[socket.socket] = []
        self._closed = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"grpc://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        """Break all connections there are."""
        for each in self._sockets:
            _shut(each)

    def close(self) -> None:
        self._closed.set()
        _shut(self._listener)
        self._listener.close()
        self.cut()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            try:
                server = socket.create_connection(("127.0.0.1", self._to))
            except OSError:
                client.close()
                continue
            self._sockets += [client, server]
            limit = self.breaks_after.pop(0) if self.breaks_after else None
            threading.Thread(target=self._pass, args=(client, server, None), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, client, limit), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, limit: int | None) -> None:
        passed = 0
        try:
            while data := source.recv(1 << 16):
                passed += len(data)
                if limit is not None and passed > limit:
                    break
                if self.delay_s and limit is None:
                    self._closed.wait(self.delay_s)
                target.sendall(data)
        except OSError:
            pass
        _shut(source)
        _shut(target)


def _shut(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def cache() -> FaultyCache:
    return FaultyCache()


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves a cache; its URL. With credentials of gRPC's over TLS."""
    servers, handlers = [], []

    def start(handler: FaultyCache, credentials: Any = None) -> str:
        handlers.append(handler)
        server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((handler,))
        servers.append(server)
        if credentials is None:
            port = server.add_insecure_port("127.0.0.1:0")
        else:
            port = server.add_secure_port("127.0.0.1:0", credentials)
        server.start()
        return f"{'grpc' if credentials is None else 'grpcs'}://127.0.0.1:{port}"

    yield start
    for handler in handlers:
        handler.over.set()
    for server in servers:
        server.stop(0).wait()


@pytest.fixture
def network() -> Iterator[Callable[[str], Network]]:
    """Puts a network that can break before the server at a URL."""
    networks: list[Network] = []

    def between(url: str) -> Network:
        networks.append(Network(int(url.rpartition(":")[2])))
        return networks[-1]

    yield between
    for each in networks:
        each.close()


@pytest.fixture
def connect() -> Iterator[Callable[..., GrpcTransport]]:
    """A client of the cache at a URL, with other settings if need be."""
    transports: list[GrpcTransport] = []

    def to(url: str, **settings: Any) -> GrpcTransport:
        transports.append(GrpcTransport(RemoteSettings(cache=url, **{"timeout_s": 60.0, **settings})))
        return transports[-1]

    yield to
    for transport in transports:
        transport.close()


@pytest.fixture
def content(tmp_path: Path) -> ContentStore:
    """A store to download into."""
    return ContentStore(str(tmp_path / "content"))


class Certificates:
    """Authorities, and what they sign for 127.0.0.1, as PEM files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def authority(self, name: str) -> Path:
        self._run("req", "-x509", "-subj", f"/CN={name}", "-out", f"{name}.pem", *_NEW_KEY, f"{name}.key")
        return self.folder / f"{name}.pem"

    def signed(self, name: str, authority: str) -> tuple[Path, Path]:
        """The certificate and the key of `name`."""
        (self.folder / "names.txt").write_text("subjectAltName = IP:127.0.0.1\n")
        self._run("req", "-subj", f"/CN={name}", "-out", f"{name}.csr", *_NEW_KEY, f"{name}.key")
        given = ["-in", f"{name}.csr", "-CA", f"{authority}.pem", "-CAkey", f"{authority}.key"]
        self._run("x509", "-req", *given, "-CAcreateserial", "-extfile", "names.txt", "-out", f"{name}.pem")
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def _run(self, *words: str) -> None:
        subprocess.run(["openssl", *words], cwd=self.folder, check=True, capture_output=True)


_NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout"]


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    folder = tmp_path / "certificates"
    folder.mkdir()
    return Certificates(folder)
