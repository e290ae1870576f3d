"""An example is built in two checkouts that share a server over gRPC: the second runs nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).resolve().parents[3]
TARGET = "//models:resnet"


class Checkout:
    """The example in a folder of its own, with a local cache of its own."""

    def __init__(self, folder: Path) -> None:
        self.root, self.cache = folder / "vision", folder / "cache"
        ignored = shutil.ignore_patterns("hermpkg-out")
        shutil.copytree(REPOSITORY / "examples/vision", self.root, ignore=ignored)

    @property
    def artifact(self) -> bytes:
        return (self.root / "hermpkg-out/models/resnet.pt").read_bytes()

    def build(self, *words: str) -> tuple[int, str]:
        """How many actions a build ran, and what it told people."""
        kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        outcome = subprocess.run(
            [sys.executable, "-m", "hermpkg_build", "--json", TARGET, *words],
            cwd=self.root,
            env={**kept, "HOME": str(self.cache), "HERMPKG_CACHE_DIR": str(self.cache)},
            check=False,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert outcome.returncode == 0, outcome.stderr
        actions: dict[str, Any] = json.loads(outcome.stdout)["actions"]
        return sum(counts["run"] for counts in actions.values()), outcome.stderr


@pytest.fixture
def checkout(tmp_path: Path) -> Callable[[str], Checkout]:
    pytest.importorskip("torch")
    return lambda name: Checkout(tmp_path / name)


def test_the_second_checkout_runs_nothing(start_casd: Any, checkout: Any) -> None:
    casd = start_casd("2.8.1")
    first, second, alone = checkout("first"), checkout("second"), checkout("alone")

    ran, told = first.build("--remote-cache", casd.url)
    assert ran > 0
    assert "warning" not in told
    casd.kill()
    casd.start()

    assert second.build("--remote-cache", casd.url) == (0, "")
    assert second.artifact == first.artifact
    # A server that is away costs one warning, and gives the same bytes.
    casd.kill()
    ran_alone, told = alone.build("--remote-cache", casd.url)
    assert ran_alone == ran
    assert told.count("the build goes on without the shared cache") == 1
    assert "Traceback" not in told
    assert alone.artifact == first.artifact


def test_a_server_that_dies_in_the_middle_costs_a_warning_at_most(start_casd: Any, checkout: Any) -> None:
    casd = start_casd("2.8.1")
    first, second = checkout("first"), checkout("second")
    killer = threading.Thread(target=lambda: (_wait_for_blobs(casd), casd.kill()))
    killer.start()

    ran, told = first.build("--remote-cache", casd.url)
    killer.join()
    casd.start()

    assert ran > 0
    assert told.count("warning") <= 1
    assert "Traceback" not in told
    # What arrived is right or not there, and the rest is built and shared now.
    second.build("--remote-cache", casd.url)
    assert second.artifact == first.artifact


def _wait_for_blobs(casd: Any) -> None:
    """Until the first uploads have arrived; a build that ends before has none to lose."""
    waiting = threading.Event()
    for _ in range(600):
        if casd.blobs():
            return
        waiting.wait(0.05)
