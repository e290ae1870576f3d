"""What `hermpkg scan` and other scanners find: tricks, archives, and files in which there is nothing.

Each scanner is installed into an environment of its own, and left out, with the reason, where it cannot be.
``--each`` shows every file that one of them takes for clean, ``--more FOLDER`` adds files of others.
"""

from __future__ import annotations

import argparse
import json
import pickle
import subprocess
import sys
import tempfile
import time
import venv
import warnings
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(REPOSITORY))

from hermpkg_build.scanning.artifact import scan_path  # noqa: E402
from tests.unit.scanning.archive_tricks import ARCHIVES  # noqa: E402
from tests.unit.scanning.harmless_files import HARMLESS  # noqa: E402
from tests.unit.scanning.tricks import TRICKS, WRAPPED  # noqa: E402

PEERS = {
    "picklescan": ["picklescan"],
    "fickling": ["fickling", "typing_extensions"],
    "modelscan": ["modelscan"],
}
OURS = "hermpkg scan"
TORCH = "torch.load(weights_only)"
GROUPS: Mapping[str, Mapping[str, bytes]] = {
    "pickles with tricks": TRICKS,
    "wrapped pickles": WRAPPED,
    "archives with tricks": ARCHIVES,
    "harmless files": {name: make() for name, make in HARMLESS.items()},
}
Verdicts = Mapping[str, str]


def main(arguments: Sequence[str] | None = None) -> int:
    """Scan and print; 1 where `hermpkg scan` takes a malicious file for clean, or a harmless one not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--each", action="store_true")
    parser.add_argument("--more", type=Path, action="append", default=[])
    options = parser.parse_args(arguments)
    failed = 0
    with tempfile.TemporaryDirectory(prefix="hermpkg-bench-") as temporary:
        folder = Path(temporary)
        pythons = installed(folder / "environments")
        for group, files in GROUPS.items():
            place = folder / group
            place.mkdir()
            for name, data in files.items():
                (place / f"{name.replace(' ', '_').replace('/', '_')}.pkl").write_bytes(data)
            failed += compare(group, place, pythons, each=options.each)
        for more in options.more:
            compare(str(more), more, pythons, each=options.each)
    return min(failed, 1)


def installed(folder: Path) -> dict[str, Path]:
    """Install the other scanners; the Pythons of those that could be."""
    pythons = {}
    for name, distributions in PEERS.items():
        venv.create(folder / name, with_pip=True)
        python = folder / name / "bin" / "python"
        command = [str(python), "-m", "pip", "install", "--quiet", *distributions]
        run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode:
            print(f"{name} is left out: {run.stderr.strip().splitlines()[-1]}")
        else:
            pythons[name] = python
    return pythons


def compare(group: str, folder: Path, pythons: Mapping[str, Path], *, each: bool) -> int:
    """Print what all find in the files of a folder; how many `hermpkg scan` judges wrongly."""
    wrong = "found" if group == "harmless files" else "clean"
    files = sorted(path for path in folder.iterdir() if path.is_file())
    results = {OURS: ours(files)}
    results |= {name: theirs(python, name, folder) for name, python in pythons.items()}
    results[TORCH] = torch_load(files)
    print(f"\n{group}: {len(files)} files\n")
    print(f"{'':28} {'found':>8} {'clean':>8} {'cannot read':>12} {'seconds':>9}")
    for name, (verdicts, seconds) in results.items():
        counts = Counter(verdicts.values())
        told = f"   goal: none {wrong}{'   MISSED' if counts[wrong] else ''}" if name == OURS else ""
        print(
            f"{name:28} {counts['found']:8} {counts['clean']:8} {counts['cannot read']:12} {seconds:9.2f}"
            + told
        )
    if each:
        for name, (verdicts, _) in results.items():
            names = [file for file, verdict in verdicts.items() if verdict == wrong]
            print(f"  {name} says {wrong}: {', '.join(names) or 'none'}")
    return sum(verdict == wrong for verdict in results[OURS][0].values())


def ours(files: Sequence[Path]) -> tuple[Verdicts, float]:
    """Scan files with `hermpkg scan`."""
    started = time.perf_counter()
    verdicts = {path.name: "clean" if scan_path(str(path)).is_clean else "found" for path in files}
    return verdicts, time.perf_counter() - started


def theirs(python: Path, tool: str, folder: Path) -> tuple[Verdicts, float]:
    """Scan a folder with another scanner, in a process of its environment."""
    script = Path(__file__).with_name("scan_peers.py")
    command = [str(python), "-W", "ignore", str(script), tool, str(folder)]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(run.stdout.splitlines()[-1])
    return result["verdicts"], result["seconds"]


def torch_load(files: Sequence[Path]) -> tuple[Verdicts, float]:
    """Load files with ``torch.load(weights_only=True)``; a refusal counts as found."""
    import torch

    verdicts = {}
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for path in files:
            verdicts[path.name] = _loaded(torch.load, path)
    return verdicts, time.perf_counter() - started


def _loaded(load: Callable[..., object], path: Path) -> str:
    try:
        load(path, weights_only=True)
    except pickle.UnpicklingError:
        return "found"
    except Exception:
        return "cannot read"
    return "clean"


if __name__ == "__main__":
    sys.exit(main())
