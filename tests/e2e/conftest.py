"""A workspace in a temporary folder, the real command run in it, and a server that it can share work by."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.commands import run_command

REPOSITORY = Path(__file__).resolve().parents[2]

RULES = 'load("@hermpkg//rules:defs.bzl", "deny", "extern", "intern", "mock", "model", "model_package", '
RULES += '"package_test", "python_modules")\n'

# One package whose artifact needs no torch: two modules, one of which imports the other, and a resource.
APP_BUILD = """
python_modules(
    name = "modules",
    srcs = glob(["*.py"], exclude = ["*_test.py"]),
)

model_package(
    name = "app",
    modules = ["app.main"],
    resources = {"app/words.txt": ":words.txt"},
    policy = [
        intern("app.**"),
        deny("**"),
    ],
    deps = [":modules"],
)
"""
APP_FILES = {
    "pyproject.toml": "[tool.hermpkg]\n",
    "app/BUILD": RULES + APP_BUILD,
    "app/__init__.py": "",
    "app/main.py": "import json\n\nfrom app import helpers\n\ndef greet():\n    return helpers.greeting()\n",
    "app/helpers.py": 'def greeting():\n    return "hello"\n',
    "app/words.txt": "one\ntwo\n",
}


@dataclass(frozen=True)
class Outcome:
    """What one run of the command gave."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Standard output as the one JSON value it must be."""
        return json.loads(self.stdout)

    @property
    def target(self) -> Any:
        """The only target of a build's JSON."""
        (target,) = self.json["targets"]
        return target

    @property
    def statuses(self) -> dict[str, str]:
        """The status of each target of a build's JSON, by label."""
        return {target["label"]: target["status"] for target in self.json["targets"]}

    def ran(self, kind: str) -> int:
        """How many actions of a kind a build's JSON says were run."""
        return int(self.json["actions"].get(kind, {"run": 0})["run"])


class Workspace:
    """A folder with files; commands run in it have their cache beside it."""

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root
        self.cache = cache
        root.mkdir(parents=True, exist_ok=True)

    def write(self, path: str, text: str) -> Path:
        """Write a file, indented text as if it were not, with the folders it needs."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def write_app(self) -> Workspace:
        """Write the package `app`, whose artifact needs no torch."""
        for path, text in APP_FILES.items():
            self.write(path, text)
        return self

    def build_file(self, text: str, path: str = "app/BUILD") -> Path:
        """Write a BUILD file that has all rules loaded in its first line."""
        return self.write(path, RULES + textwrap.dedent(text))

    def environment(self, **changes: str) -> dict[str, str]:
        """The environment that commands run in: that of the tests would make them depend on the machine."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return {
            **kept,
            "HOME": str(self.cache.parent / "home"),
            "HERMPKG_CACHE_DIR": str(self.cache),
            "HERMPKG_WARM_PROCESS": "never",
            "PYTHONDONTWRITEBYTECODE": "1",
            **changes,
        }

    def command(self, *words: str) -> list[str]:
        """The words that start the command."""
        return [sys.executable, "-m", "hermpkg_build", *words]

    def start(
        self, *words: str, cwd: str = ".", env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        """Start the command and leave it running."""
        return subprocess.Popen(
            self.command(*words),
            cwd=self.root / cwd,
            env=self.environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )

    def run(self, *words: str, cwd: str = ".", env: Mapping[str, str] | None = None) -> Outcome:
        """Run the command to its end."""
        done = run_command(words, cwd=self.root / cwd, env=self.environment(**(env or {})))
        return Outcome(done.returncode, done.stdout, done.stderr)

    def build(self, *words: str, **options: Any) -> Outcome:
        """Run a build in JSON mode, which must succeed."""
        outcome = self.run("--json", *words, **options)
        assert outcome.code == 0, outcome.stderr
        return outcome


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """An empty folder with a workspace marker."""
    made = Workspace(tmp_path / "workspace", tmp_path / "cache")
    made.write("pyproject.toml", "[tool.hermpkg]\n")
    return made


@pytest.fixture
def app(workspace: Workspace) -> Workspace:
    """A workspace with the package `app`."""
    return workspace.write_app()


@pytest.fixture(scope="session")
def make_workspace() -> type[Workspace]:
    """What makes a workspace of any folder: ``make_workspace(root, cache)``."""
    return Workspace


@pytest.fixture(scope="session")
def repository() -> Path:
    """The folder that this project lies in."""
    return REPOSITORY


@dataclass
class CacheServer:
    """An HTTP cache in this process: what it holds by path, what it was asked, and how it misbehaves."""

    url: str = ""
    held: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    token: str = ""
    refuses: int = 0
    over: threading.Event = field(default_factory=threading.Event)
    """Set when the test is over, for answers that wait."""
    serving: Callable[[], object] = lambda: None

    def of_kind(self, kind: str) -> dict[str, bytes]:
        """What lies under ``/ac/`` or ``/cas/``."""
        return {path: data for path, data in self.held.items() if f"/{kind}/" in path}


@pytest.fixture
def server() -> Iterator[CacheServer]:
    cache = CacheServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer(lambda: cache.held.get(self.path))

        do_HEAD = do_GET

        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))

            def keep() -> bytes:
                cache.held[self.path] = body
                return b""

            self._answer(keep)

        def _answer(self, give: Callable[[], bytes | None]) -> None:
            cache.asked.append(f"{self.command} {self.path}")
            cache.serving()
            status, body = 200, b""
            if cache.token and self.headers["Authorization"] != f"Bearer {cache.token}":
                status = 401
            elif cache.refuses and self.command == "PUT":
                status = cache.refuses
            else:
                given = give()
                status, body = (404, b"") if given is None else (200, given)
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            pass

    http = Server(("127.0.0.1", 0), Handler)
    cache.url = f"http://127.0.0.1:{http.server_address[1]}/team"
    thread = threading.Thread(target=http.serve_forever, args=[0.05])
    thread.start()
    try:
        yield cache
    finally:
        cache.over.set()
        http.shutdown()
        http.server_close()
        thread.join()
