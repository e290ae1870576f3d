"""Checkouts that share servers: those that our own remote cache and execution are tested with."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
REMOTE = REPOSITORY / "tests" / "remote"


def _module_at(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"servers_of_{path.parent.name}", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


_grpc_servers = _module_at(REMOTE / "conftest.py")
listener = _grpc_servers.listener
start_casd = _grpc_servers.start_casd
_http_servers = _module_at(REMOTE / "over_http" / "conftest.py")
public_folder = _http_servers.public_folder
start_nginx = _http_servers.start_nginx

# The first edition that hermpkg is tested with says that it speaks version 2.0 too, which is Bazel 4's.
EDITION = "2.5.0"


@pytest.fixture
def cache_url(request: pytest.FixtureRequest) -> str:
    """An empty cache of the kind that the test asks for."""
    if request.param == "http":
        return str(request.getfixturevalue("start_nginx")().url)
    return str(request.getfixturevalue("start_casd")(EDITION).url)


@pytest.fixture
def executor(start_casd: Callable[..., Any]) -> Any:
    """A server that executes in a sandbox with this machine's programs and Python, and a cache."""
    if shutil.which("bwrap") is None:
        pytest.skip("there is no bubblewrap, in which the executor works: make machine installs it")
    programs = REMOTE / "casd" / EDITION
    # The runner reads links of the machine as if they lay in its own folder, so they are resolved here.
    visible = ("/usr", "/bin", "/lib", "/lib64", sys.base_prefix, sys.prefix)
    return start_casd(
        EDITION,
        f"--buildbox-run={programs / 'buildbox-run'}",
        *(f"--runner-arg=--ro-bind-mount={os.path.realpath(name)}:{name}" for name in visible),
    )


@dataclass(frozen=True)
class Checkout:
    """A workspace with a Bazel that shares nothing with another's but a server."""

    workspace: Any
    log: Path

    def build(self, *words: str) -> dict[str, list[str]]:
        """Where each kind of action of ours got its outputs from, in Bazel's words."""
        self.workspace.build(*words, f"--execution_log_json_file={self.log}")
        found: dict[str, list[str]] = {}
        text = self.log.read_text()
        while text.strip():
            spawn, end = json.JSONDecoder().raw_decode(text.lstrip())
            text = text.lstrip()[end:]
            if spawn["mnemonic"].startswith(("Hermpkg", "TestRunner")):
                found.setdefault(spawn["mnemonic"], []).append(spawn["runner"])
        return found


@pytest.fixture
def clean_checkouts(
    make_workspace: Callable[[Path, Path], Any], bazel_root: Path, tmp_path: Path
) -> Iterator[Callable[[str], Checkout]]:
    """Makes a checkout by name, with a Bazel of its own. The rules lie under a path with a space."""
    # The tool is an input of every action, so all must have the same: a copy that nobody works on.
    rules = tmp_path / "my hermpkg"
    for folder in ("hermpkg_build", "rules"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / folder, rules / folder, ignore=ignored)
    (rules / "WORKSPACE").touch()
    made = []

    def make(name: str) -> Checkout:
        root = tmp_path / f"checkout-{name}"
        root.mkdir()
        # Bazel's settings lie beside its folder.
        shutil.copy(bazel_root.parent / "bazelrc", tmp_path)
        with open(tmp_path / "bazelrc", "a") as settings:
            settings.write(f'common "--override_repository=hermpkg={rules}"\n')
            # Nothing but the servers is shared.
            settings.write("build --disk_cache= --remote_upload_local_results\n")
        made.append(make_workspace(root, tmp_path / f"user-{name}"))
        return Checkout(made[-1], tmp_path / f"{name}.json")

    yield make
    for workspace in made:
        workspace.stop()
