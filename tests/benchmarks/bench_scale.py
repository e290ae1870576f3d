"""Many packages over shared modules: cold, nothing changed, one comment, one target, beside zipfile."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from workspaces import MODULES_OF_A_FOLDER, write_deep, write_shallow


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one run took: seconds by the clock and of the processors, and mebibytes at most."""

    wall: float
    cpu: float
    peak: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each shape and size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, nargs="*", default=[1_000, 10_000], help="sizes of workspaces")
    parser.add_argument("--shallow-only", action="store_true", help="leave out the shape of deep closures")
    parsed = parser.parse_args(arguments)
    for modules in parsed.modules:
        if not parsed.shallow_only:
            _measure("deep", write_deep, modules)
        _measure("shallow", write_shallow, modules)
    return 0


def _measure(shape: str, write: Callable[[Path, int], None], modules: int) -> None:
    folders = modules // MODULES_OF_A_FOLDER
    with tempfile.TemporaryDirectory(prefix="bench scale ") as folder:
        root, cache = Path(folder, "workspace"), Path(folder, "cache")
        write(root, folders)
        edited = root / "lib0" / "m0.py"
        print(f"\n{folders} packages over {modules:,} modules, {shape} closures")
        print(f"{'':34}{'wall s':>9}{'CPU s':>9}{'MiB':>7}{'ratio':>8}{'goal':>8}")
        cold = _build(root, cache, "//...")
        peer = _zipped(root)
        _row("zipfile writes the same records", peer, None, "")
        _row("cold", cold, cold.cpu / peer.cpu, "2.0" if shape == "deep" else "")
        time.sleep(2.1)  # So that signatures can be trusted.
        _build(root, cache, "//...")
        same = _build(root, cache, "//...")
        _row("nothing changed (beside a start)", same, same.cpu / _start().cpu, "")
        edited.write_text(edited.read_text(encoding="utf-8") + "# edited\n", encoding="utf-8")
        edit = _build(root, cache, "//...")
        if shape == "deep":
            _row("a comment that all share", edit, edit.cpu / peer.cpu, "1.3")
        else:
            _row("a comment (beside nothing changed)", edit, edit.cpu / same.cpu, "2.0")
        one = _build(root, cache, f"//lib{folders - 1}:artifact")
        _row("one target", one, None, "")


def _row(name: str, taken: Taken, ratio: float | None, goal: str) -> None:
    shown = f"{ratio:7.2f}x" if ratio is not None else ""
    missed = "  missed" if goal and ratio is not None and ratio > float(goal) else ""
    print(
        f"{name:34}{taken.wall:9.2f}{taken.cpu:9.2f}{taken.peak:7.0f}{shown:>8}{goal:>8}{missed}", flush=True
    )


def _build(root: Path, cache: Path, pattern: str) -> Taken:
    words = [sys.executable, "-m", "hermpkg_build", "--cache-dir", str(cache), "-q", "build", pattern]
    return _run(words, root)


def _start() -> Taken:
    return _run([sys.executable, "-c", "pass"], Path.cwd())


def _run(words: Sequence[str], folder: Path) -> Taken:
    """Run a command in a process of its own, which alone counts what its children take."""
    program = (
        "import os, resource, subprocess, sys, time; start = time.perf_counter();"
        "subprocess.run(sys.argv[1:], check=True, stdout=subprocess.DEVNULL);"
        "took = resource.getrusage(resource.RUSAGE_CHILDREN);"
        "print(time.perf_counter() - start, took.ru_utime + took.ru_stime, took.ru_maxrss / 1024)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *words], cwd=folder, check=True, capture_output=True, text=True
    )
    wall, cpu, peak = map(float, done.stdout.split())
    return Taken(wall=wall, cpu=cpu, peak=peak)


def _zipped(root: Path) -> Taken:
    """Write the records of all artifacts with zipfile, stored; reading them is not counted."""
    wall = cpu = 0.0
    target = root / "peer.zip"
    for path in sorted(root.glob("hermpkg-out/**/*.pt")):
        with zipfile.ZipFile(path) as archive:
            records = [(name, archive.read(name)) for name in archive.namelist()]
        start, begun = time.perf_counter(), time.process_time()
        with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
            for name, data in records:
                archive.writestr(name, data)
        wall += time.perf_counter() - start
        cpu += time.process_time() - begun
        os.unlink(target)
    return Taken(wall=wall, cpu=cpu, peak=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


if __name__ == "__main__":
    sys.exit(main())
