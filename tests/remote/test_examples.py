"""Every example in two clean checkouts that share a server: the second runs nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml"))


def build(example: str, folder: Path, url: str) -> tuple[int, dict[str, str]]:
    """Build all of an example in a copy of it, with an empty cache: actions run, digests of artifacts."""
    root = folder / example
    shutil.copytree(EXAMPLES / example, root, ignore=shutil.ignore_patterns("hermpkg-out", "bazel-*"))
    kept = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
    outcome = subprocess.run(
        [sys.executable, "-m", "hermpkg_build", "--json", "build", "//...", "--remote-cache", url],
        cwd=root,
        env={**kept, "HOME": str(folder), "HERMPKG_CACHE_DIR": str(folder / "cache" / example)},
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert outcome.returncode == 0, outcome.stderr
    answer: dict[str, Any] = json.loads(outcome.stdout)
    ran = sum(counts["run"] for counts in answer["actions"].values())
    return ran, {target["path"]: target["sha256"] for target in answer["targets"] if target["path"]}


def test_there_are_examples() -> None:
    assert len(NAMES) >= 4


@pytest.mark.parametrize("example", NAMES)
def test_the_second_checkout_runs_nothing(example: str, start_casd: Any, tmp_path: Path) -> None:
    for module in ("torch", "kornia", "grpc"):
        if not find_spec(module):
            pytest.skip(f"there is no {module}")
    url = start_casd("2.5.0").url
    ran, first = build(example, tmp_path / "first", url)
    assert ran > 0
    again, second = build(example, tmp_path / "second", url)
    assert again == 0
    assert second == first != {}
