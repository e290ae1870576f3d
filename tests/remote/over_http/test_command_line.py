"""An example is built in two checkouts that share nginx: the second runs nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
TARGET = "//models:resnet"


class Checkout:
    """The example in a folder of its own, with a cache of its own, configured to share a server."""

    def __init__(self, folder: Path, settings: str) -> None:
        self.root, self.cache = folder / "vision", folder / "cache"
        shutil.copytree(
            REPOSITORY / "examples/vision", self.root, ignore=shutil.ignore_patterns("hermpkg-out")
        )
        (self.root / "pyproject.toml").write_text(f"[tool.hermpkg]\n{settings}")

    @property
    def artifact(self) -> Path:
        return self.root / "hermpkg-out/models/resnet.pt"

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return subprocess.run(
            [sys.executable, "-m", "hermpkg_build", *words],
            cwd=self.root,
            env={**kept, "HOME": str(self.cache), "HERMPKG_CACHE_DIR": str(self.cache)},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )

    def build(self) -> tuple[int, str]:
        """How many actions a build ran, and what it told people."""
        outcome = self.run("--json", TARGET)
        assert outcome.returncode == 0, outcome.stderr
        actions: dict[str, Any] = json.loads(outcome.stdout)["actions"]
        return sum(counts["run"] for counts in actions.values()), outcome.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str, str], Checkout]:
    def make(name: str, settings: str) -> Checkout:
        return Checkout(tmp_path / name, settings)

    return make


def test_the_second_checkout_runs_nothing(
    start_nginx, checkout, certificates, tmp_path: Path, new_certificates
) -> None:
    pytest.importorskip("torch")
    server = start_nginx(
        tls=True,
        server=certificates.served,
        location='if ($http_authorization != "Bearer s3cret") { return 401; }',
    )
    helper = tmp_path / "helper"
    answer = json.dumps({"headers": {"Authorization": ["Bearer s3cret"]}})
    helper.write_text(f"#!/bin/sh\necho '{answer}'\n")
    helper.chmod(0o755)
    settings = f'remote-cache = "{server.url}"\nremote-ca = "{certificates.ca}"\n'
    helped = f'{settings}credential-helper = "{helper}"\n'

    first = checkout("first", helped)
    ran, told = first.build()
    assert ran > 0
    assert "warning" not in told
    # The first waits for its uploads.
    kept = len(os.listdir(server.storage / "cache/cas"))
    second = checkout("second", helped)
    assert second.build() == (0, "")
    assert second.artifact.read_bytes() == first.artifact.read_bytes()
    assert len(os.listdir(server.storage / "cache/cas")) == kept

    # A server whose certificate is not trusted costs a warning, and gives the same bytes.
    wary = checkout("wary", helped.replace(certificates.ca, new_certificates("IP:127.0.0.1").ca))
    ran_alone, told = wary.build()
    assert ran_alone == ran
    assert told.count("certificate is not trusted") == 1
    assert "s3cret" not in told
    assert wary.artifact.read_bytes() == first.artifact.read_bytes()


def test_damage_on_the_server_is_built_again(start_nginx, checkout) -> None:
    pytest.importorskip("torch")
    server = start_nginx()
    settings = f'remote-cache = "{server.url}"\n'
    first = checkout("first", settings)
    first.build()
    for kind in ("ac", "cas"):
        for file in (server.storage / "cache" / kind).iterdir():
            data = file.read_bytes()
            file.write_bytes(data[:-1] + bytes([data[-1] ^ 1]) if data else b"x")
    second = checkout("second", settings)
    ran, told = second.build()
    assert ran > 0
    assert "Traceback" not in told
    assert second.artifact.read_bytes() == first.artifact.read_bytes()
