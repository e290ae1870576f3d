"""A server over gRPC may send anything: what is no message is a failure of the server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.failures import RemoteError
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.store.content import ContentStore

grpc = pytest.importorskip("grpc")

from hermpkg_build.remote.grpc import methods  # noqa: E402 - not without the library
from hermpkg_build.remote.grpc.execution import Command, Executor  # noqa: E402
from hermpkg_build.remote.grpc.transport import GrpcTransport  # noqa: E402
from hermpkg_build.remote.reapi import merkle, messages  # noqa: E402
from hermpkg_build.remote.reapi.encoding import message_digest  # noqa: E402
from hermpkg_build.remote.reapi.merkle import files_of_tree, input_root  # noqa: E402

LARGE = Digest.of(bytes(3_000_000))


def abilities() -> bytes:
    functions = [messages.DigestFunction.SHA256]
    able = messages.ServerCapabilities(
        cache_capabilities=messages.CacheCapabilities(digest_functions=functions),
        execution_capabilities=messages.ExecutionCapabilities(
            digest_function=functions[0], digest_functions=functions, exec_enabled=True
        ),
    )
    return able.SerializeToString()


@pytest.fixture
def settings() -> Iterator[Callable[[dict[str, bytes]], RemoteSettings]]:
    """Settings for a server that answers calls, by their paths, with bytes."""
    servers = []

    def start(answers: dict[str, bytes]) -> RemoteSettings:
        known = {
            methods.GET_CAPABILITIES.path: abilities(),
            methods.FIND_MISSING_BLOBS.path: b"",
            **answers,
        }

        class Answers(grpc.GenericRpcHandler):
            def service(self, details: Any) -> Any:
                answer = known.get(details.method)
                if details.method in (methods.READ.path, methods.EXECUTE.path):
                    return grpc.unary_stream_rpc_method_handler(lambda *_: iter([answer]))
                return None if answer is None else grpc.unary_unary_rpc_method_handler(lambda *_: answer)

        server = grpc.server(ThreadPoolExecutor(4), handlers=[Answers()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        url = f"grpc://127.0.0.1:{port}"
        return RemoteSettings(cache=url, executor=url, retries=0)

    yield start
    for server in servers:
        server.stop(None)


def test_a_stream_that_is_no_message_is_a_failure_of_the_server(settings, tmp_path: Path) -> None:
    transport = GrpcTransport(settings({methods.READ.path: b"\xff\xff"}))
    with pytest.raises(RemoteError, match="cannot download") as caught:
        transport.download([LARGE], ContentStore(str(tmp_path)))
    assert "cannot be read" in caught.value.reason
    transport.close()


def test_an_outcome_that_is_no_message_is_a_failure_of_the_server(settings, tmp_path: Path) -> None:
    operation = messages.Operation(name="o", done=True)
    operation.response.Pack(messages.ExecuteResponse(message="x"))
    operation.response.value = b"\xff\xff"
    known = settings({methods.EXECUTE.path: operation.SerializeToString()})
    executor = Executor(known, ContentStore(str(tmp_path)))
    command = Command(arguments=("x",), environment={}, output="out", timeout_s=5)
    with pytest.raises(RemoteError, match="cannot run an action") as caught:
        executor.execute(command, input_root({}), cancelled=lambda: False)
    assert "cannot be read" in caught.value.reason
    executor.close()


def test_a_tree_of_few_bytes_that_stands_for_very_many_files_is_refused(monkeypatch) -> None:
    assert merkle._MOST_FILES <= 1_000_000, "so many take some hundred mebibytes"
    monkeypatch.setattr(merkle, "_MOST_FILES", 20_000)
    digest = message_digest(Digest.of(b""))
    crowd = messages.Directory(
        files=[messages.FileNode(name=f"f{number}", digest=digest) for number in range(1_000)]
    )
    shared = message_digest(Digest.of(crowd.SerializeToString(deterministic=True)))
    folders = [messages.DirectoryNode(name=f"d{number}", digest=shared) for number in range(100)]
    tree = messages.Tree(root=messages.Directory(directories=folders), children=[crowd])
    with pytest.raises(ValueError, match="too many files"):
        files_of_tree(tree.SerializeToString())
