"""Many packages over shared modules: cold, nothing changed, edits, one target, beside zipfile; as curves."""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from scale_picture import Curves, drawn
from workspaces import MODULES_OF_A_FOLDER, write_deep, write_shallow

SIZES = [1_000, 10_000, 100_000]
_DEEPEST = 10_000
"""Closures of half of more modules than that fill a disk."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What one run took: seconds by the clock and of the processors, and mebibytes at most."""

    wall: float
    cpu: float
    peak: float = 0.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a table for each shape and size, and the curve of each row over the sizes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--modules", type=int, nargs="*", default=SIZES, help="sizes of workspaces")
    parser.add_argument("--shallow-only", action="store_true", help="leave out the shape of deep closures")
    parser.add_argument("--picture", metavar="FILE", help="draw the curves as SVG")
    parsed = parser.parse_args(arguments)
    curves: Curves = {}
    for modules in parsed.modules:
        if not parsed.shallow_only and modules <= _DEEPEST:
            for name, taken in _measure("deep", write_deep, modules).items():
                curves.setdefault(f"deep, {name}", {})[modules] = taken.cpu
        for name, taken in _measure("shallow", write_shallow, modules).items():
            curves.setdefault(f"shallow, {name}", {})[modules] = taken.cpu
        if parsed.picture:  # After each size: the largest one takes minutes, on a busy machine an hour.
            Path(parsed.picture).write_text(drawn(curves), encoding="utf-8")
    _show(curves, parsed.modules)
    return 0


def _show(curves: Curves, sizes: Sequence[int]) -> None:
    print(f"\n{'CPU seconds by modules':44}" + "".join(f"{size:>10,}" for size in sizes))
    for name, curve in curves.items():
        cells = (f"{curve[size]:10.2f}" if size in curve else " " * 10 for size in sizes)
        print(f"{name:44}" + "".join(cells))


def _measure(shape: str, write: Callable[[Path, int], None], modules: int) -> dict[str, Taken]:
    folders = modules // MODULES_OF_A_FOLDER
    rows: dict[str, Taken] = {}

    def row(name: str, taken: Taken, *, over: Taken | None = None, goal: float = 0.0, most: str = "") -> None:
        rows[name] = taken
        ratio = taken.cpu / over.cpu if over is not None else 0.0
        # Goals of seconds and mebibytes are those of the largest size.
        limits = dict(part.split("=") for part in most.split()) if modules >= SIZES[-1] else {}
        told = [f"{goal} x"] if goal else []
        told += [f"{limit} {unit.replace('clock', 's by the clock')}" for unit, limit in limits.items()]
        missed = bool(goal) and ratio > goal
        missed |= "clock" in limits and taken.wall > float(limits["clock"])
        missed |= "s" in limits and taken.cpu > float(limits["s"])
        missed |= "MiB" in limits and taken.peak > float(limits["MiB"])
        shown = f"{ratio:7.2f}x" if over is not None else ""
        print(
            f"{name:34}{taken.wall:9.2f}{taken.cpu:9.2f}{taken.peak:7.0f}{shown:>8}"
            f"  {', '.join(told)}{'  missed' * missed}",
            flush=True,
        )

    with tempfile.TemporaryDirectory(prefix="bench scale ") as folder:
        root, cache = Path(folder, "workspace"), Path(folder, "cache")
        write(root, folders)
        print(f"\n{folders} packages over {modules:,} modules, {shape} closures")
        print(f"{'':34}{'wall s':>9}{'CPU s':>9}{'MiB':>7}{'ratio':>8}  goal")
        alone = _build(root, Path(folder, "another cache"), "//...", "--jobs", "1")
        shutil.rmtree(root / "hermpkg-out")
        cold = _build(root, cache, "//...")
        peer = _zipped(root)
        row("zipfile writes the same records", peer)
        if shape == "deep":
            row("cold", cold, over=peer, goal=2.0, most="MiB=400")
        else:
            row("cold", cold, most="clock=25 MiB=400")
        row("cold, in one process", alone)
        row("facts of all modules, of the cache", _facts(root, cache), most="s=1.0 MiB=300")
        time.sleep(2.1)  # So that signatures can be trusted.
        _build(root, cache, "//...")
        same = _build(root, cache, "//...")
        row("nothing changed", same, over=_start(), most="s=0.5")
        row(
            "one target, of which all is known",
            _build(root, cache, f"//lib{folders - 1}:artifact"),
            most="s=0.3",
        )
        _edit(root / "lib0" / "m0.py", "# edited\n")
        edit = _build(root, cache, "//...")
        if shape == "deep":
            row("a comment that all share", edit, over=peer, goal=1.3)
        else:
            row("a comment", edit, over=same, goal=2.0)
        _edit(root / "lib0" / "m0.py", "EDITED = 1\n")
        edit = _build(root, cache, "//...")
        row("an edit of code", edit, over=peer if shape == "deep" else same)
        _edit(root / f"lib{folders - 1}" / "m0.py", "EDITED = 1\n")
        row("one target after an edit of it", _build(root, cache, f"//lib{folders - 1}:artifact"))
        _build(root, cache, "//...")
        _edit(root / f"lib{folders - 1}" / "m0.py", "EDITED += 1\n")
        row("an edit in the last folder", _build(root, cache, "//..."))
    return rows


def _edit(path: Path, more: str) -> None:
    path.write_text(path.read_text(encoding="utf-8") + more, encoding="utf-8")


def _build(root: Path, cache: Path, *words: str) -> Taken:
    words = (sys.executable, "-m", "hermpkg_build", "--cache-dir", str(cache), "-q", "build", *words)
    return _run(words, root)


_FACTS = """
import pathlib, resource, sys, time
from hermpkg_build.core.digest import Digest
from hermpkg_build.source.known_facts import KnownFacts
from hermpkg_build.store.cache import open_cache

digests = [Digest.of(path.read_bytes()) for path in pathlib.Path(sys.argv[1]).glob("lib*/*.py")]
known = KnownFacts(open_cache(sys.argv[2]).facts, 1)
start, begun = time.perf_counter(), time.process_time()
known.recall(digests)
print(time.perf_counter() - start, time.process_time() - begun)
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
assert all(digest in known for digest in digests)
"""


def _facts(root: Path, cache: Path) -> Taken:
    """Read the facts of all sources; finding the sources and hashing them is not counted."""
    words = [sys.executable, "-c", _FACTS, str(root), str(cache)]
    wall, cpu, peak = map(
        float, subprocess.run(words, check=True, capture_output=True, text=True).stdout.split()
    )
    return Taken(wall=wall, cpu=cpu, peak=peak)


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
