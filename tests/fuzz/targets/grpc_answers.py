"""What a server over gRPC answers: messages of every call, as bytes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
from laws import Reader, target_of
from targets.http_answers import Silent

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.cache import RemoteCache
from hermpkg_build.remote.grpc import methods
from hermpkg_build.remote.grpc.execution import Command, Executor
from hermpkg_build.remote.grpc.transport import GrpcTransport
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.encoding import encoded, message_digest
from hermpkg_build.remote.reapi.entries import SharedAction, decode_entry, encode_entry
from hermpkg_build.remote.reapi.merkle import files_of_tree, input_root
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.action_cache import ActionResult, encode_result
from hermpkg_build.store.content import ContentStore

_KEY = Digest.of(b"an action")
_DATA = b"contents " * 40
_LARGE = b"0123456789abcdef" * 200_000
_DIGEST, _LARGE_DIGEST = Digest.of(_DATA), Digest.of(_LARGE)
_ACTION = SharedAction(name="make 1", key=_KEY)
_COMMAND = Command(arguments=("x",), environment={}, output="out", timeout_s=0.5)
_STREAMS = (methods.EXECUTE.path, methods.WAIT_EXECUTION.path, methods.READ.path)


def readers(folder: Path) -> Mapping[str, Reader]:
    """Return the readers of answers."""
    server = _Server(_sound_answers())
    settings = RemoteSettings(
        cache=server.url, executor=server.url, retries=0, timeout_s=2.0, first_answer_s=2.0
    )
    content = ContentStore(str(folder / "content"))

    def asking(path: str, ask: Callable[[GrpcTransport], object]) -> Reader:
        def read(data: bytes) -> object:
            with server.answering(path, data), contextlib.closing(GrpcTransport(settings)) as transport:
                return ask(transport)

        return Reader(sound=server.sound[path], read=read)

    def download(digest: Digest) -> Callable[[GrpcTransport], object]:
        def ask(transport: GrpcTransport) -> None:
            for path in content._paths(digest):
                Path(path).unlink(missing_ok=True)
            assert transport.download([digest], content) or content.get_bytes(digest) is not None

        return ask

    def execute(data: bytes) -> object:
        with server.answering(methods.EXECUTE.path, data):
            executor = Executor(settings, content)
            with contextlib.closing(executor):
                return executor.execute(_COMMAND, input_root({}), cancelled=lambda: False)

    return {
        "capabilities": asking(methods.GET_CAPABILITIES.path, download(_DIGEST)),
        "result": asking(
            methods.GET_ACTION_RESULT.path,
            lambda transport: RemoteCache(transport, content, Silent()).get(_ACTION),
        ),
        "batch": asking(methods.BATCH_READ_BLOBS.path, download(_DIGEST)),
        "stream": asking(methods.READ.path, download(_LARGE_DIGEST)),
        "missing": asking(
            methods.FIND_MISSING_BLOBS.path, lambda transport: transport.missing([_DIGEST])
        ),
        "upload": asking(
            methods.BATCH_UPDATE_BLOBS.path, lambda transport: transport.upload([Blob.of(_DATA)])
        ),
        "execution": Reader(sound=server.sound[methods.EXECUTE.path], read=execute),
        "entry": Reader(sound=server.sound[methods.GET_ACTION_RESULT.path], read=decode_entry,
                        raises=(ValueError,)),
        "tree": Reader(sound=_tree(), read=files_of_tree, raises=(ValueError,)),
    }  # fmt: skip


def _sound_answers() -> dict[str, bytes]:
    result = encode_result(_KEY, ActionResult(outputs={"a": _DIGEST}, facts=[1]))
    sha256 = [messages.DigestFunction.SHA256]
    abilities = messages.CacheCapabilities(
        digest_functions=sha256,
        max_batch_total_size_bytes=4 << 20,
        action_cache_update_capabilities=messages.ActionCacheUpdateCapabilities(update_enabled=True),
    )
    execution = messages.ExecutionCapabilities(
        digest_function=messages.DigestFunction.SHA256, exec_enabled=True, digest_functions=sha256
    )
    batch = messages.BatchReadBlobsResponse.Response(digest=message_digest(_DIGEST), data=_DATA)
    updated = messages.BatchUpdateBlobsResponse.Response(digest=message_digest(_DIGEST))
    operation = messages.Operation(name="o", done=True)
    operation.response.Pack(
        messages.ExecuteResponse(result=messages.ActionResult(exit_code=1, stderr_raw=b"\x1b[31mwords"))
    )
    answers = {
        methods.GET_CAPABILITIES: messages.ServerCapabilities(
            cache_capabilities=abilities, execution_capabilities=execution
        ),
        methods.BATCH_READ_BLOBS: messages.BatchReadBlobsResponse(responses=[batch]),
        methods.FIND_MISSING_BLOBS: messages.FindMissingBlobsResponse(),
        methods.BATCH_UPDATE_BLOBS: messages.BatchUpdateBlobsResponse(responses=[updated]),
        methods.READ: messages.ReadResponse(data=_LARGE[:1000]),
        methods.WRITE: messages.WriteResponse(committed_size=len(_DATA)),
        methods.QUERY_WRITE_STATUS: messages.QueryWriteStatusResponse(committed_size=3),
        methods.EXECUTE: operation,
        methods.WAIT_EXECUTION: operation,
        methods.CANCEL_OPERATION: messages.Empty(),
        methods.UPDATE_ACTION_RESULT: messages.ActionResult(),
    }
    found: dict[str, bytes] = {method.path: encoded(answer) for method, answer in answers.items()}
    return {**found, methods.GET_ACTION_RESULT.path: encode_entry({"a": _DIGEST}, result)}


def _tree() -> bytes:
    inner = messages.Directory(files=[messages.FileNode(name="b", digest=message_digest(_DIGEST))])
    node = messages.DirectoryNode(name="a", digest=message_digest(Digest.of(encoded(inner))))
    return encoded(messages.Tree(root=messages.Directory(directories=[node]), children=[inner]))


class _Server(grpc.GenericRpcHandler):  # type: ignore[misc] # grpc has no types.
    """Answers each call with bytes; `sound` has the right ones, by the path of the call."""

    def __init__(self, sound: dict[str, bytes]) -> None:
        self.sound = sound
        self._answers = dict(sound)
        self._server = grpc.server(ThreadPoolExecutor(4), handlers=[self])
        self.url = f"grpc://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    @contextlib.contextmanager
    def answering(self, path: str, data: bytes) -> Iterator[None]:
        """Answer one of the calls with `data` meanwhile."""
        self._answers[path] = data
        try:
            yield
        finally:
            self._answers[path] = self.sound[path]

    def service(self, details: Any) -> Any:
        """Return what answers a call."""
        path = details.method
        if path not in self._answers:
            return None
        if path in _STREAMS:
            return grpc.unary_stream_rpc_method_handler(lambda *_: iter([self._answers[path]]))
        if path == methods.WRITE.path:
            return grpc.stream_unary_rpc_method_handler(
                lambda requests, _: [*requests] and self._answers[path]
            )
        return grpc.unary_unary_rpc_method_handler(lambda *_: self._answers[path])


TARGET = target_of(readers)
