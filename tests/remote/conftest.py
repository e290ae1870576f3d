"""A real cache and executor on this machine, buildbox-casd; and examples in checkouts that share a server."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run_command

CASD = Path(__file__).parent / "casd"
EDITIONS = ("2.5.0", "2.8.1")
_START_S = 120.0
_GONE_S = 60.0

# Systems give none of these to whoever asks for any port: nobody gets one between its choice and its use, nor
# while a server that has it is away. Test processes have their own.
_PORTS = range(20_000, 32_000)


class Casd:
    """One server with its folder, which stays from one start to the next."""

    def __init__(self, edition: str, folder: str, options: tuple[str, ...] = ()) -> None:
        self.programs = CASD / edition
        self.folder = folder
        self.options = options
        self.port = Listener().free_port()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"grpc://127.0.0.1:{self.port}"

    def start(self) -> Casd:
        with open(f"{self.folder}.log", "ab") as log:
            self._process = subprocess.Popen(
                [
                    str(self.programs / "buildbox-casd"),
                    f"--bind=127.0.0.1:{self.port}",
                    "--log-level=info",
                    *self.options,
                    self.folder,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # Where it finds buildbox-fuse on the PATH it mounts what actions see, and that stays when
                # it is killed; without it there are files, which its folder for temporary ones has too.
                env={**os.environ, "TMPDIR": os.path.dirname(self.folder)},
            )
        Listener().wait_for_port(
            self.port, lambda: self._process is not None and self._process.poll() is None
        )
        return self

    def log(self) -> str:
        return Path(f"{self.folder}.log").read_text(errors="replace")

    def kill(self) -> None:
        """End it, and all that it runs, without a word to those who are connected."""
        if self._process is not None:
            started, new = set[int](), {self._process.pid}
            while new:
                # Who stands still starts nobody whom the list would lack.
                _send(signal.SIGSTOP, new)
                _wait_while(_runs, new)
                started |= new
                new = set(self.started()) - started
            _send(signal.SIGKILL, started)
            self._process.wait()
            self._process = None
            # Whatever goes on for a moment would write to a folder that is being removed.
            _wait_while(_is_there, started)

    def started(self) -> list[int]:
        """The processes that it runs now, and those that they run."""
        return [] if self._process is None else _started_by(self._process.pid)

    def blobs(self) -> dict[str, Path]:
        """The file of each blob in its store, by hash: ``cas/objects/<first two digits>/<the others>``."""
        objects = Path(self.folder, "cas/objects")
        return {path.parent.name + path.name: path for path in objects.glob("??/*")}


def _send(number: signal.Signals, processes: Iterable[int]) -> None:
    for process in processes:
        with suppress(ProcessLookupError):
            os.kill(process, number)


def _wait_while(holds: Callable[[int], bool], processes: Iterable[int]) -> None:
    end = time.monotonic() + _GONE_S
    while any(map(holds, processes)) and time.monotonic() < end:
        time.sleep(0.01)


def _is_there(process: int) -> bool:
    return _state(process) not in "ZX"


def _runs(process: int) -> bool:
    return _state(process) not in "TtZX"


def _state(process: int) -> str:
    """The letter that ``/proc`` has for what a process does; X where there is none."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return "X"


def _started_by(process: int) -> list[int]:
    found: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with suppress(OSError):
            for child in map(int, path.read_text().split()):
                found += [child, *_started_by(child)]
    return found


class Listener:
    """What servers on this machine need: a port, and patience until one listens there."""

    def free_port(self) -> int:
        ports = _PORTS[int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % 16 :: 16]
        while True:
            port = random.SystemRandom().choice(ports)
            with socket.socket() as probe, suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return port

    def wait_for_port(self, port: int, alive: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            assert alive(), "the server ended by itself"
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.02)
        raise AssertionError(f"nothing listens on port {port} after {_START_S:g} s")


@pytest.fixture
def listener() -> Listener:
    return Listener()


@pytest.fixture
def start_casd() -> Iterator[Callable[..., Casd]]:
    """Starts a server of an edition, with more options if need be, in a folder of its own or a given one."""
    servers: list[Casd] = []
    root = tempfile.mkdtemp(prefix="hermpkg-casd-")

    def start(edition: str, *options: str, folder: str = "") -> Casd:
        if not (CASD / edition / "buildbox-casd").exists():
            pytest.skip("there is no buildbox-casd: make machine installs it")
        servers.append(Casd(edition, folder or f"{root}/{len(servers)}", options))
        return servers[-1].start()

    yield start
    for server in servers:
        server.kill()
    end = time.monotonic() + _GONE_S
    while os.path.exists(root) and time.monotonic() < end:
        # Who is dying may still write to it.
        shutil.rmtree(root, ignore_errors=True)


@pytest.fixture(params=EDITIONS)
def casd(request: pytest.FixtureRequest, start_casd: Callable[..., Casd]) -> Casd:
    """An empty cache, of every edition in turn."""
    return start_casd(request.param)


EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


class Checkout:
    """An example in a folder of its own, with a local cache of its own."""

    def __init__(self, folder: Path, example: str, settings: str) -> None:
        self.root, self.cache = folder / example, folder / "cache"
        ignored = shutil.ignore_patterns("hermpkg-out", "bazel-*")
        shutil.copytree(EXAMPLES / example, self.root, ignore=ignored)
        if settings:
            (self.root / "pyproject.toml").write_text(f"[tool.hermpkg]\n{settings}")

    @property
    def artifacts(self) -> dict[str, bytes]:
        """What the builds made, by path."""
        output = self.root / "hermpkg-out"
        return {str(path.relative_to(output)): path.read_bytes() for path in output.rglob("*.pt")}

    def build(self, *words: str) -> tuple[int, str]:
        """How many actions a build of everything ran, and what it told people."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        env = {
            **kept,
            "HOME": str(self.cache),
            "HERMPKG_CACHE_DIR": str(self.cache),
            "HERMPKG_TRUST": str(self.root),
            "HERMPKG_WARM_PROCESS": "never",
        }
        outcome = run_command(["--json", "//...", *words], cwd=self.root, env=env)
        assert outcome.returncode == 0, outcome.stderr
        actions: dict[str, Any] = json.loads(outcome.stdout)["actions"]
        return sum(counts["run"] for counts in actions.values()), outcome.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[..., Checkout]:
    """Makes a checkout of an example; `settings` stand in for its own."""
    for library in ("torch", "kornia"):
        if not find_spec(library):
            pytest.skip(f"there is no {library}")

    def make(name: str, settings: str = "", *, example: str = "vision") -> Checkout:
        return Checkout(tmp_path / name, example, settings)

    return make
