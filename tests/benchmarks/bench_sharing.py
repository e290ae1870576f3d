"""Every example built from nothing, alone and out of a cache that another checkout filled."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench_remote import running_nginx
from table import Goal, show, timed

SHARED = "from the shared cache"
MOST = 1.1
"""In times of a build alone: where there is nothing but sources, the cache must cost nothing, either."""
EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="how often each row is timed")
    options = parser.parse_args(arguments)
    if not shutil.which("nginx"):
        print("skipped, for there is no nginx")
        return 0
    with tempfile.TemporaryDirectory(prefix="bench sharing ") as folder:
        local = os.path.join(folder, "local")

        def clear() -> None:
            shutil.rmtree(local, ignore_errors=True)

        with running_nginx(os.path.join(folder, "http")) as url:
            for example in sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml")):
                _build(example, os.path.join(folder, f"fills {example}"), url)
                rows = timed(
                    _rows(example, local, url),
                    options.rounds,
                    before=clear,
                )
                title = f"examples/{example}: build //... in a clean checkout with an empty cache"
                show(title, rows, {SHARED: Goal(most=MOST)})
    return 0


def _rows(example: str, local: str, url: str) -> dict[str, Callable[[], object]]:
    return {
        "alone": lambda: _build(example, local, ""),
        SHARED: lambda: _build(example, local, url),
    }


def _build(example: str, folder: str, url: str) -> None:
    root = os.path.join(folder, example)
    shutil.copytree(EXAMPLES / example, root, ignore=shutil.ignore_patterns("hermpkg-out", "bazel-*"))
    words = ["--cache-dir", os.path.join(folder, "cache"), "-q", "build", "//...", "--remote-cache", url]
    subprocess.run([sys.executable, "-m", "hermpkg_build", *words], cwd=root, check=True)


if __name__ == "__main__":
    sys.exit(main())
