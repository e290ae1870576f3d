"""A server that lives in memory, and small workspaces that are built from it."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from hermpkg_build.core.digest import Digest
from hermpkg_build.engine.build import build_targets
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.opening import MakeRebuilder, open_build
from hermpkg_build.engine.rebuilder import CachingRebuilder
from hermpkg_build.engine.remote import rebuilder
from hermpkg_build.engine.results import BuildRequest, BuildResult
from hermpkg_build.loading.workspace import find_workspace
from hermpkg_build.remote.opening import Remote
from hermpkg_build.remote.reapi import entries
from hermpkg_build.remote.settings import RemoteSettings
from hermpkg_build.remote.transport import Blob
from hermpkg_build.store.content import ContentStore

BUILD_FILE = """
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model_package", "python_modules")
python_modules(name = "modules", srcs = glob(["*.py"]))
model_package(
    name = "app",
    modules = ["app.main"],
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)
"""
FILES = {
    "pyproject.toml": "[tool.hermpkg]\n",
    "app/BUILD": BUILD_FILE,
    "app/__init__.py": "",
    "app/main.py": "import json\n\nfrom app import helpers\n",
    "app/helpers.py": "import csv\n",
}


@dataclass
class MemoryServer:
    """Results and contents by digest, and a log of what was asked.

    `before` is called with each request's name before it is answered, and may raise.
    """

    results: dict[Digest, bytes] = field(default_factory=dict)
    contents: dict[Digest, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    before: Callable[[str], None] = lambda name: None
    closed: bool = False

    def _ask(self, name: str) -> None:
        self.asked.append(name)
        self.before(name)

    def get_result(self, action: Digest) -> bytes | None:
        self._ask("get_result")
        return self.results.get(action)

    def put_result(self, action: Digest, result: bytes) -> None:
        self._ask("put_result")
        self.results[action] = result

    def missing(self, digests: Collection[Digest]) -> set[Digest]:
        self._ask("missing")
        return {digest for digest in digests if digest not in self.contents}

    def download(self, digests: Collection[Digest], content: ContentStore) -> set[Digest]:
        self._ask("download")
        lost = set()
        for digest in digests:
            data = self.contents.get(digest)
            if data is None or Digest.of(data) != digest:
                lost.add(digest)
            else:
                content.put_bytes(data)
        return lost

    def upload(self, blobs: Sequence[Blob]) -> None:
        self._ask("upload")
        for blob in blobs:
            self.contents[blob.digest] = Path(blob.path).read_bytes() if blob.data is None else blob.data

    def close(self) -> None:
        self.closed = True


class Listener(BuildObserver):
    """Remembers the warnings of a build; `BuildObserver` otherwise silent."""

    def __init__(self) -> None:
        self.warnings: list[str] = []

    def warning(self, text: str) -> None:
        self.warnings.append(text)


@dataclass
class Checkout:
    """A workspace with a cache of its own, built with or without a server."""

    root: Path
    observer: Listener = field(default_factory=Listener)

    def write(self, path: str, text: str) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def build(
        self,
        server: MemoryServer | None = None,
        *,
        upload: bool = True,
        jobs: int = 1,
        make_rebuilder: MakeRebuilder = CachingRebuilder,
    ) -> BuildResult:
        settings = RemoteSettings(cache="memory", upload=upload)
        with open_build(
            find_workspace(str(self.root)),
            BuildRequest(patterns=("//...",), directory=str(self.root), jobs=jobs),
            str(self.cache),
            self.observer,
            make_rebuilder=make_rebuilder,
            remote=None if server is None else Remote(settings=settings, cache=server),
        ) as build:
            return build_targets(build)

    @property
    def cache(self) -> Path:
        return self.root.parent / f"{self.root.name}-cache"

    @property
    def artifact(self) -> bytes:
        return (self.root / "hermpkg-out/app/app.pt").read_bytes()


@pytest.fixture
def contents_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small contents are no part of entries, as if all were large."""
    monkeypatch.setattr(entries, "_ALL_INLINE_LIMIT", 0)
    monkeypatch.setattr(rebuilder, "INLINE_LIMIT", 0)


@pytest.fixture
def server() -> MemoryServer:
    return MemoryServer()


@pytest.fixture
def make_server() -> type[MemoryServer]:
    return MemoryServer


@pytest.fixture(scope="session")
def make_checkout() -> Callable[[Path], Checkout]:
    """Makes a checkout in a folder, with an empty cache beside it."""

    def make(root: Path) -> Checkout:
        made = Checkout(root)
        for path, text in FILES.items():
            made.write(path, text)
        return made

    return make


@pytest.fixture
def checkout(tmp_path: Path, make_checkout: Callable[[Path], Checkout]) -> Callable[[], Checkout]:
    """Makes one more checkout of the same sources."""
    numbers = itertools.count()
    return lambda: make_checkout(tmp_path / f"checkout-{next(numbers)}")
