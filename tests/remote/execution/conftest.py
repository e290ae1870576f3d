"""Executors: a real one, buildbox-casd with its sandbox, and one of our own that can be told to misbehave."""

from __future__ import annotations

import os
import py_compile
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import cache_from_source
from pathlib import Path
from py_compile import PycInvalidationMode
from typing import Any

import pytest

pytest.importorskip("hermpkg_build.remote.grpc.library")
pytest.importorskip("google.protobuf")

from hermpkg_build.core.digest import Digest
from hermpkg_build.engine.build import build_targets
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.opening import open_build
from hermpkg_build.engine.remote.origin import ResultsOfOrigin
from hermpkg_build.engine.results import BuildRequest, BuildResult
from hermpkg_build.loading.workspace import find_workspace
from hermpkg_build.remote.grpc import methods as grpc_methods
from hermpkg_build.remote.grpc.library import grpc
from hermpkg_build.remote.grpc.methods import Method
from hermpkg_build.remote.opening import Remote
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.encoding import core_digest, encoded, message_digest
from hermpkg_build.remote.reapi.merkle import input_root
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import Blob

CASD = Path(__file__).resolve().parents[1] / "casd"

BUILD_FILE = """
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")
python_modules(name = "modules", srcs = glob(["*.py"]), resources = ["words.txt"])
model(name = "net", factory = "m.net:make", args = {"size": 3}, seed = 7, deps = [":modules"])
model_package(
    name = "pack",
    models = {"model/model.pkl": ":net"},
    policy = [intern("m.**"), deny("**")],
    deps = [":modules"],
)
"""
_compiled: dict[bytes, bytes] = {}
FACTORY = """
import os
import random

from m import layers


class Net:
    pass


def make(size):
    net = Net()
    net.layers = [layers.Layer(random.random()) for _ in range(size)]
    with open(os.path.join(os.path.dirname(__file__), "words.txt")) as file:
        net.words = file.read().split()
    return net
"""
FILES = {
    "pyproject.toml": "[tool.hermpkg]\n",
    "m/BUILD": BUILD_FILE,
    "m/__init__.py": "",
    "m/net.py": FACTORY,
    "m/layers.py": "class Layer:\n    def __init__(self, bias):\n        self.bias = bias\n",
    "m/words.txt": "some words\n",
    "m/undeclared.txt": "other words\n",
    "m/a_folder/undeclared.txt": "more words\n",
}


class Listener(BuildObserver):
    """A build's observer that remembers warnings."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Checkout:
    """A workspace, and a cache of its own that can be emptied."""

    root: Path
    target: str = "//m:pack"
    observer: Listener = field(default_factory=Listener)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def clean(self) -> None:
        """Forget everything that was built."""
        for folder in (self.cache, self.root / ".hermpkg", self.root / "hermpkg-out"):
            shutil.rmtree(folder, ignore_errors=True)

    def build(self, server: str = "", *targets: str, jobs: int = 1, **settings: Any) -> BuildResult:
        """Build with the executor at the URL `server`, here where that is ""."""
        given = RemoteSettings(executor=server, **{"retries": 1, "timeout_s": 60.0, **settings})
        with open_build(
            find_workspace(str(self.root)),
            BuildRequest(patterns=targets or (self.target,), directory=str(self.root), jobs=jobs),
            str(self.cache),
            self.observer,
            remote=Remote(settings=given, cache=None) if server else None,
        ) as build:
            return build_targets(build)

    @property
    def cache(self) -> Path:
        return self.root.parent / f"{self.root.name}-cache"

    @property
    def recorded(self) -> dict[str, bytes]:
        """The results in the action cache, by file, without what people were told in this workspace."""
        results = {
            str(path.relative_to(self.cache)): path.read_bytes()
            for path in self.cache.glob("*/ac/**/*")
            if path.is_file()
        }
        return {path: result for path, result in results.items() if b'"facts":{"told":true}' not in result}

    @property
    def warnings(self) -> list[str]:
        return self.observer.warnings

    def where(self, result: BuildResult) -> str:
        """The executor that made the only model which was made, "" for this machine."""
        (action,) = [action for action in result.executed if action.kind == "make-model"]
        return action.where


def checkout_at(root: Path) -> Checkout:
    checkout = Checkout(root)
    for path, text in FILES.items():
        checkout.write(path, text)
    return checkout


@pytest.fixture
def make_checkout(tmp_path: Path) -> Callable[[], Checkout]:
    """Makes one more checkout of the same sources."""
    return lambda: checkout_at(tmp_path / f"checkout{len(list(tmp_path.iterdir()))}")


@pytest.fixture(autouse=True)
def keys_as_without_a_server(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets the keys of results be compared with those of a build on this machine alone."""
    monkeypatch.setattr(ResultsOfOrigin, "_own", lambda _, key: key)


@pytest.fixture(scope="session")
def right(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What a build of a new checkout on this machine alone records."""
    checkout = checkout_at(tmp_path_factory.mktemp("right") / "checkout")
    checkout.build()
    return checkout.recorded


@pytest.fixture
def checkout(make_checkout: Callable[[], Checkout]) -> Checkout:
    """A workspace with a model that needs no torch."""
    return make_checkout()


def folders_of_pythonpath() -> list[str]:
    return [folder for folder in os.environ.get("PYTHONPATH", "").split(os.pathsep) if os.path.isdir(folder)]


@pytest.fixture
def door(tmp_path: Path) -> Path:
    """A folder that actions on an executor, and nobody else, have as ``/door``."""
    folder = tmp_path / "door"
    folder.mkdir()
    return folder


@pytest.fixture
def start_executor(start_casd: Callable[..., Any], door: Path) -> Callable[..., Any]:
    """Starts an executor of an edition; its sandbox has this machine's programs, and its Python at `prefix`.

    The runner reads links of the machine as if they lay in its own folder, so they are resolved here.
    """
    if shutil.which("bwrap") is None:
        pytest.skip("there is no bubblewrap, in which the executor works: make machine installs it")

    def start(edition: str, *, prefix: str = sys.prefix) -> Any:
        seen = ("/usr", "/bin", "/lib", "/lib64", *folders_of_pythonpath())
        visible = {name: os.path.realpath(name) for name in seen}
        # An editable install is a path to the checkout, in which the environment may lie, too.
        checkout = Path(__file__).parents[3]
        visible |= {
            str(path): os.path.realpath(path) for path in checkout.iterdir() if str(path) != sys.prefix
        }
        visible["/door"] = str(door)
        visible |= {sys.base_prefix: os.path.realpath(sys.base_prefix), prefix: os.path.realpath(sys.prefix)}
        return start_casd(
            edition,
            f"--buildbox-run={CASD / edition / 'buildbox-run'}",
            *(f"--runner-arg=--ro-bind-mount={there}:{here}" for here, there in visible.items()),
        )

    return start


@pytest.fixture(params=["2.5.0", "2.8.1"])
def casd(request: pytest.FixtureRequest, start_executor: Callable[..., Any]) -> Any:
    """An executor that has done nothing yet, of an older and of a newer edition of the protocol."""
    return start_executor(request.param)


def runs_something(casd: Any) -> bool:
    """Whether a server has a sandbox now."""
    for process in casd.started():
        with suppress(OSError):
            if Path(f"/proc/{process}/comm").read_text().strip() == "bwrap":
                return True
    return False


@pytest.fixture
def wait_for_work() -> Callable[[Any, Callable[[], bool]], None]:
    """Waits until a server has a sandbox, or something else has ended."""

    def wait(casd: Any, ended: Callable[[], bool]) -> None:
        while not runs_something(casd) and not ended():
            time.sleep(0.02)

    return wait


class FakeExecutor:
    """An executor in this process that keeps contents in memory and runs commands without a sandbox.

    `answers` are functions that take the place of an answer to Execute or WaitExecution, one after the
    other: each gets the operation that would be answered, done, and gives the operations to answer, or
    raises a RuntimeError with the name of a gRPC code. `spoil` may change the files of an output folder;
    contents in `lost` are said to be missing, those in `damaged` sent with a flipped bit. `asked` are
    the names of the calls that came, `commands` what was run.
    """

    def __init__(self) -> None:
        self.contents: dict[Digest, bytes] = {}
        self.results: dict[Digest, messages.ActionResult] = {}
        self.answers: list[Callable[[messages.Operation], Iterator[messages.Operation]]] = []
        self.spoil: Callable[[dict[str, bytes]], None] = lambda files: None
        self.lost: set[str] = set()
        self.damaged: set[str] = set()
        self.before_work: Callable[[], object] = lambda: None
        self.after_work: Callable[[], object] = lambda: None
        self.recalls = False
        self.executes = True
        self.asked: list[str] = []
        self.commands: list[messages.Command] = []
        self.cancelled = threading.Event()
        self.running = threading.Event()
        self._operations: dict[str, messages.Operation] = {}
        self._server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
        self._serve()
        self.url = f"grpc://127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self) -> None:
        self._server.stop(None).wait()

    def _serve(self) -> None:
        services: dict[str, dict[str, Any]] = {}
        for method, answer in (
            (grpc_methods.GET_CAPABILITIES, self._capabilities),
            (grpc_methods.FIND_MISSING_BLOBS, self._missing),
            (grpc_methods.BATCH_UPDATE_BLOBS, self._update),
            (grpc_methods.BATCH_READ_BLOBS, self._read),
            (grpc_methods.CANCEL_OPERATION, self._cancel),
            (grpc_methods.EXECUTE, self._execute),
            (grpc_methods.WAIT_EXECUTION, self._wait),
        ):
            _, service, name = method.path.split("/")
            services.setdefault(service, {})[name] = self._handler(method, name, answer)
        for service, handlers in services.items():
            self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, handlers)])

    def _handler(self, method: Method[Any, Any], name: str, answer: Callable[[Any], Any]) -> Any:
        streams = name in ("Execute", "WaitExecution")

        def one(request: Any, context: Any) -> Any:
            self.asked.append(name)
            try:
                return answer(request)
            except RuntimeError as error:
                context.abort(getattr(grpc.StatusCode, str(error)), "as the test wants it")

        def many(request: Any, context: Any) -> Iterator[Any]:
            self.asked.append(name)
            try:
                yield from answer(request)
            except RuntimeError as error:
                context.abort(getattr(grpc.StatusCode, str(error)), "as the test wants it")

        make = grpc.unary_stream_rpc_method_handler if streams else grpc.unary_unary_rpc_method_handler
        return make(
            many if streams else one,
            request_deserializer=method.request.FromString,
            response_serializer=lambda message: message.SerializeToString(),
        )

    def _capabilities(self, _: Any) -> messages.ServerCapabilities:
        sha256 = messages.DigestFunction.SHA256
        return messages.ServerCapabilities(
            cache_capabilities=messages.CacheCapabilities(digest_functions=[sha256]),
            execution_capabilities=messages.ExecutionCapabilities(
                digest_function=sha256, exec_enabled=self.executes
            ),
            low_api_version=messages.SemVer(major=2),
            high_api_version=messages.SemVer(major=2),
        )

    def _missing(self, request: Any) -> messages.FindMissingBlobsResponse:
        absent = [digest for digest in request.blob_digests if core_digest(digest) not in self.contents]
        return messages.FindMissingBlobsResponse(missing_blob_digests=absent)

    def _update(self, request: Any) -> messages.BatchUpdateBlobsResponse:
        responses = []
        for item in request.requests:
            self.contents[core_digest(item.digest)] = item.data
            responses.append(messages.BatchUpdateBlobsResponse.Response(digest=item.digest))
        return messages.BatchUpdateBlobsResponse(responses=responses)

    def _read(self, request: Any) -> messages.BatchReadBlobsResponse:
        responses = []
        for digest in request.digests:
            data = None if digest.hash in self.lost else self.contents.get(core_digest(digest))
            if data and digest.hash in self.damaged:
                data = bytes([data[0] ^ 1]) + data[1:]
            status = messages.Status(code=5 if data is None else 0)
            responses.append(
                messages.BatchReadBlobsResponse.Response(digest=digest, data=data or b"", status=status)
            )
        return messages.BatchReadBlobsResponse(responses=responses)

    def _cancel(self, _: Any) -> messages.Empty:
        self.cancelled.set()
        return messages.Empty()

    def _execute(self, request: Any) -> Iterator[messages.Operation]:
        self.running.set()
        action = core_digest(request.action_digest)
        recalled = self.recalls and action in self.results and not request.skip_cache_lookup
        if not recalled:
            self.results[action] = self._run(action)
        response = messages.ExecuteResponse(result=self.results[action], cached_result=recalled)
        done = messages.Operation(name=f"operation-{len(self._operations)}", done=True)
        done.response.Pack(response)
        self._operations[done.name] = done
        yield from self._answered(done)

    def _wait(self, request: Any) -> Iterator[messages.Operation]:
        yield from self._answered(self._operations[request.name])

    def _answered(self, done: messages.Operation) -> Iterator[messages.Operation]:
        if self.answers:
            yield from self.answers.pop(0)(done)
        else:
            yield messages.Operation(name=done.name)
            yield done

    def _run(self, digest: Digest) -> messages.ActionResult:
        action = messages.Action.FromString(self.contents[digest])
        command = messages.Command.FromString(self.contents[core_digest(action.command_digest)])
        self.commands.append(command)
        with tempfile.TemporaryDirectory(prefix="hermpkg-fake-") as folder:
            self._stage(core_digest(action.input_root_digest), Path(folder))
            for module in Path(folder, "tool").rglob("*.py"):
                keep_compiled(module)
            self.before_work()
            ended = subprocess.run(
                list(command.arguments),
                cwd=folder,
                env={item.name: item.value for item in command.environment_variables},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            self.after_work()
            (output,) = command.output_paths
            base = Path(folder, output)
            files = {
                str(path.relative_to(base)): path.read_bytes() for path in base.rglob("*") if path.is_file()
            }
        self.spoil(files)
        folders = [messages.OutputDirectory(path=output, tree_digest=self._keep(files))] if files else []
        return messages.ActionResult(
            output_directories=folders, exit_code=ended.returncode, stderr_raw=ended.stderr
        )

    def _stage(self, digest: Digest, folder: Path) -> None:
        folder.mkdir(exist_ok=True)
        # Nobody sends the empty blob, which is an empty folder too.
        directory = messages.Directory.FromString(self.contents[digest] if digest.size else b"")
        for file in directory.files:
            data = b"" if not file.digest.size_bytes else self.contents[core_digest(file.digest)]
            (folder / file.name).write_bytes(data)
        for node in directory.directories:
            self._stage(core_digest(node.digest), folder / node.name)

    def _keep(self, files: dict[str, bytes]) -> messages.Digest:
        root = input_root({path: Blob.of(data) for path, data in files.items()})
        contents = {blob.digest: blob.data or b"" for blob in root.blobs}
        tree = messages.Tree(root=messages.Directory.FromString(contents[root.digest]))
        data = encoded(tree)
        self.contents.update({**contents, Digest.of(data): data})
        return message_digest(Digest.of(data))


def keep_compiled(path: Path) -> None:
    """Have beside a module what it is compiled to, as an executor may: each action would compile it anew.

    Python takes it only for the same source.
    """
    kept, source = Path(cache_from_source(str(path))), path.read_bytes()
    if source in _compiled:
        kept.parent.mkdir(exist_ok=True)
        kept.write_bytes(_compiled[source])
    else:
        py_compile.compile(str(path), invalidation_mode=PycInvalidationMode.CHECKED_HASH, doraise=True)
        _compiled[source] = kept.read_bytes()


@pytest.fixture
def unused_url() -> Iterator[str]:
    """An address at which there is nobody, and as long as it is bound nobody else begins to listen."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"grpc://127.0.0.1:{taken.getsockname()[1]}"


@pytest.fixture
def fake() -> Iterator[FakeExecutor]:
    """An executor that does as it is told."""
    executor = FakeExecutor()
    yield executor
    executor.stop()
