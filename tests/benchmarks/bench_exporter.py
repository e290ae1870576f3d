"""Measures saving and loading with PackageExporter beside torch.package, torch.save and the C pickler.

Prints tables; run it as a script. Sizes can be set on the command line.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import pickle
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from scratch import in_memory
from table import Goal, show, timed

OPENSSL = "SHA-256 (OpenSSL)"
SAVING_GOALS = {"hermpkg": Goal(most=1.1, of=("torch.save", OPENSSL))}


def main() -> None:
    """Make the objects, time each way in turn, print one table a subject."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--dicts", type=int, default=200_000)
    options.add_argument("--mebibytes", type=int, default=1024)
    options.add_argument("--rounds", type=int, default=3)
    arguments = options.parse_args()
    warnings.simplefilter("ignore")

    dicts = [{"name": f"item {number}", "value": number} for number in range(arguments.dicts)]
    rows = saving_dicts(dicts)
    show(f"save {arguments.dicts:,} small dicts", timed(rows, arguments.rounds), {"hermpkg": Goal(most=3)})
    rows = loading_dicts(dicts)
    show(f"load {arguments.dicts:,} small dicts", timed(rows, arguments.rounds), {"hermpkg": Goal(most=1)})
    # Three files, and the tensors themselves.
    with tempfile.TemporaryDirectory(dir=in_memory(4 * arguments.mebibytes)) as folder:
        rows = saving_tensors(Path(folder), arguments.mebibytes)
        title = f"save {arguments.mebibytes} MiB of tensors"
        show(title, timed(rows, arguments.rounds, before=os.sync), SAVING_GOALS)
        memory = memory_of_saving(Path(folder), arguments.mebibytes)
        print(f"peak memory beyond the tensors: {memory} MiB   goal 50{'   MISSED' if memory > 50 else ''}")
        rows = loading_tensors(Path(folder))
        goals = {"hermpkg": Goal(most=0.3)}
        show(f"load {arguments.mebibytes} MiB of tensors", timed(rows, arguments.rounds), goals)
    show("export a module of kornia with all it imports", timed(saving_modules(), arguments.rounds))


def saving_dicts(dicts: object) -> Mapping[str, Callable[[], object]]:
    """Pickling alone, and into packages in memory."""
    import torch.package

    import hermpkg_build

    return {
        "pickle (C, protocol 3)": lambda: pickle.dumps(dicts, protocol=3),
        "torch.package": lambda: exported(torch.package, dicts),
        "hermpkg": lambda: exported(hermpkg_build, dicts),
    }


def loading_dicts(dicts: object) -> Mapping[str, Callable[[], object]]:
    """The same objects read back."""
    import torch.package

    import hermpkg_build

    pickled = pickle.dumps(dicts, protocol=3)
    theirs, ours = exported(torch.package, dicts), exported(hermpkg_build, dicts)
    return {
        "pickle (C)": lambda: pickle.loads(pickled),
        "torch.package": lambda: imported(torch.package, theirs),
        "hermpkg": lambda: imported(hermpkg_build, ours),
    }


def exported(library: Any, obj: object) -> bytes:
    """A package with one pickle."""
    stream = io.BytesIO()
    with library.PackageExporter(stream) as exporter:
        exporter.save_pickle("p", "obj.pkl", obj)
    return stream.getvalue()


def imported(library: Any, package: bytes) -> object:
    """The object in it."""
    return library.PackageImporter(io.BytesIO(package)).load_pickle("p", "obj.pkl")


def saving_tensors(folder: Path, mebibytes: int) -> Mapping[str, Callable[[], object]]:
    """Tensors of 4 MiB each, to files."""
    import torch
    import torch.package

    import hermpkg_build

    tensors = [torch.rand(1 << 20) for _ in range(max(1, mebibytes // 4))]
    saved = folder / "tensors.pt"

    def sha256() -> None:
        digest = hashlib.sha256()
        for tensor in tensors:
            digest.update(tensor.numpy())

    def export(library: Any, path: Path) -> None:
        with library.PackageExporter(str(path)) as exporter:
            exporter.save_pickle("t", "t.pkl", tensors)

    return {
        "torch.save": lambda: torch.save(tensors, saved),
        OPENSSL: sha256,
        "sha256sum": lambda: subprocess.run(["sha256sum", saved], check=True, capture_output=True),
        "torch.package": lambda: export(torch.package, folder / "theirs.pt"),
        "hermpkg": lambda: export(hermpkg_build, folder / "ours.pt"),
    }


def memory_of_saving(folder: Path, mebibytes: int) -> int:
    """By how many MiB the peak of a process grows while it saves tensors that it has."""
    script = f"""
import resource, torch
from hermpkg_build import PackageExporter
tensors = [torch.rand(1 << 20) for _ in range({max(1, mebibytes // 4)})]
def save(name, obj):
    with PackageExporter({str(folder)!r} + name) as exporter:
        exporter.save_pickle("t", "t.pkl", obj)
save("/warm.pt", torch.ones(3))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
save("/memory.pt", tensors)
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)
"""
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    return int(done.stdout)


def loading_tensors(folder: Path) -> Mapping[str, Callable[[], object]]:
    """What `saving_tensors` left, read back."""
    import torch
    import torch.package

    import hermpkg_build

    return {
        "torch.load(mmap=True)": lambda: torch.load(folder / "tensors.pt", mmap=True),
        "torch.package": lambda: torch.package.PackageImporter(str(folder / "theirs.pt")).load_pickle(
            "t", "t.pkl"
        ),
        "hermpkg": lambda: hermpkg_build.PackageImporter(folder / "ours.pt").load_pickle("t", "t.pkl"),
    }


def saving_modules() -> Mapping[str, Callable[[], object]]:
    """A module that imports a good part of a library."""
    import kornia.feature
    import torch.package

    import hermpkg_build

    def export(library: Any) -> None:
        with library.PackageExporter(io.BytesIO()) as exporter:
            exporter.intern("kornia.**")
            exporter.extern("**")
            exporter.save_module(kornia.feature.__name__)

    return {"torch.package": lambda: export(torch.package), "hermpkg": lambda: export(hermpkg_build)}


if __name__ == "__main__":
    main()
