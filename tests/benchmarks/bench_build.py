"""The command as a whole process: start-up, nothing changed, one module edited, beside their peers."""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

EXAMPLE = Path(__file__).parents[2] / "examples" / "vision"

# What a user of torch.package runs again after every edit, for the same artifact.
EXPORT = """
import sys, warnings
sys.path.insert(0, ".")
warnings.simplefilter("ignore")
from torch.package import PackageExporter
from models.resnet import resnet18
with PackageExporter("export.pt") as exporter:
    exporter.intern("models.**")
    exporter.extern("**")
    exporter.save_pickle("model", "model.pkl", resnet18(1000))
    exporter.save_source_file("models.labels", "models/labels.py")
    exporter.save_text("models", "labels.txt", open("models/labels.txt").read())
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One thing to time: the words of a command, and what puts the workspace into the state for it."""

    name: str
    words: Sequence[str]
    goal: float = 0.0
    """At most so many times the first row; 0 for none."""
    prepare: Callable[[], None] = lambda: None


def main(arguments: Sequence[str] | None = None) -> int:
    """Time each row in turn, `--rounds` times, and print minimum and median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="how often each row is timed")
    rounds = parser.parse_args(arguments).rounds
    with tempfile.TemporaryDirectory(prefix="bench build ") as folder:
        workspace = Path(folder, "vision")
        shutil.copytree(EXAMPLE, workspace, ignore=shutil.ignore_patterns("hermpkg-out", "__pycache__"))
        environment = {**os.environ, "HERMPKG_CACHE_DIR": str(Path(folder, "cache"))}
        rows = _rows(workspace, environment)
        seconds: dict[str, list[float]] = {row.name: [] for row in rows}
        for number in range(rounds + 1):
            for row in rows:
                row.prepare()
                started = time.perf_counter()
                subprocess.run(
                    row.words, cwd=workspace, env=environment, check=True, stdout=subprocess.DEVNULL
                )
                if number:  # The first round only warms the caches of the file system and of Python.
                    seconds[row.name].append(time.perf_counter() - started)
    _print(rows, seconds)
    return 0


def _rows(workspace: Path, environment: dict[str, str]) -> list[Row]:
    python = sys.executable
    build = [python, "-m", "hermpkg_build", "-q", "//models:resnet"]
    layers = workspace / "models" / "layers.py"
    source = layers.read_text(encoding="utf-8")
    edits = iter(range(1_000_000))

    def edit() -> None:
        layers.write_text(f"{source}# edit {next(edits)}\n", encoding="utf-8")

    def settle() -> None:
        subprocess.run(build, cwd=workspace, env=environment, check=True)

    return [
        Row(name="python -c pass", words=[python, "-c", "pass"]),
        Row(name="import hermpkg_build", words=[python, "-c", "import hermpkg_build"]),
        Row(name="import torch.package", words=[python, "-c", "import torch.package"]),
        Row(name="hermpkg version", words=[python, "-m", "hermpkg_build", "version"]),
        Row(name="hermpkg --version", words=[python, "-m", "hermpkg_build", "--version"], goal=1.5),
        Row(name="hermpkg, nothing changed", words=build, prepare=settle, goal=2.5),
        Row(name="hermpkg, a comment in one module", words=build, prepare=edit),
        Row(name="torch.package, export again", words=[python, "-c", EXPORT]),
    ]


def _print(rows: Sequence[Row], seconds: dict[str, list[float]]) -> None:
    print(f"Whole processes on examples/vision ({os.cpu_count()} CPUs), milliseconds")
    print(f"{'':<36}{'min':>9}{'median':>9}{'x bare':>9}{'goal':>9}")
    bare = statistics.median(seconds[rows[0].name])
    for row in rows:
        times = [1000 * value for value in seconds[row.name]]
        ratio = statistics.median(seconds[row.name]) / bare
        goal = f"{row.goal:>9.1f}" if row.goal else ""
        missed = "  MISSED" if row.goal and ratio > row.goal else ""
        print(f"{row.name:<36}{min(times):>9.0f}{statistics.median(times):>9.0f}{ratio:>9.2f}{goal}{missed}")


if __name__ == "__main__":
    sys.exit(main())
