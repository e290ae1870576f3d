"""Measures opening, importing and loading beside torch.package, torch.load and plain imports.

Prints tables of the processor time that child processes took, so that a busy machine matters little.
Run it as a script.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from table import Goal, Row, show

OURS = "hermpkg"

CHILD = """
import json, resource, sys, time, warnings
warnings.simplefilter("ignore")
kind, path = sys.argv[1:3]
def memory():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
if kind != "import":
    import torch, torch.package
    from hermpkg_build import PackageImporter
before, start = memory(), time.process_time()
if kind == "import":
    import hermpkg_build.runtime.importer
elif kind == "modules native":
    import networkx
elif kind == "modules stock":
    torch.package.PackageImporter(path).import_module("networkx")
elif kind == "modules ours":
    PackageImporter(path).import_module("networkx")
elif kind == "tensor torch.load":
    kept = torch.load(path + ".tensors", mmap=True)
elif kind == "tensor stock":
    kept = torch.package.PackageImporter(path).load_pickle("t", "t.pkl")
elif kind == "tensor ours":
    kept = PackageImporter(path).load_pickle("t", "t.pkl")
elif kind == "dicts pickle":
    import pickle
    with open(path + ".dicts", "rb") as file:
        kept = pickle.load(file)
elif kind == "dicts stock":
    kept = torch.package.PackageImporter(path).load_pickle("d", "d.pkl")
elif kind == "dicts ours":
    kept = PackageImporter(path).load_pickle("d", "d.pkl")
print(json.dumps([time.process_time() - start, memory() - before]))
"""

MAKE = """
import importlib, pickle, pkgutil, sys, warnings
warnings.simplefilter("ignore")
import torch
from torch.package import PackageExporter
path, mebibytes, dicts, with_modules = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"
tensors = [torch.rand(1 << 18) for _ in range(mebibytes)]
table = [{"name": str(i), "value": i} for i in range(dicts)]
torch.save(tensors, path + ".tensors")
with open(path + ".dicts", "wb") as file:
    pickle.dump(table, file, protocol=3)
with PackageExporter(path) as exporter:
    exporter.intern("networkx.**")
    exporter.extern("**")
    exporter.save_pickle("t", "t.pkl", tensors)
    exporter.save_pickle("d", "d.pkl", table)
    if with_modules:
        import networkx
        exporter.save_module("networkx")
        for info in pkgutil.walk_packages(networkx.__path__, "networkx."):
            if ".tests" not in info.name and not info.name.endswith("conftest"):
                exporter.save_module(info.name)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One table: what each kind of child process does by its name, the peer first, and the goals of rows."""

    title: str
    kinds: Mapping[str, str]
    goals: Mapping[str, Goal]
    most_mebibytes: int | None = None


def measured(kinds: Iterable[str], path: str, runs: int) -> dict[str, list[tuple[float, int]]]:
    """The time and the memory that each of `runs` child processes took, one of each kind in turn."""
    found: dict[str, list[tuple[float, int]]] = {kind: [] for kind in kinds}
    for _ in range(runs):
        for kind, taken in found.items():
            child = subprocess.run(
                [sys.executable, "-c", CHILD, kind, path], check=True, capture_output=True, text=True
            )
            seconds, memory = json.loads(child.stdout)
            taken.append((seconds, memory))
    return found


def print_group(group: Group, path: str, runs: int) -> None:
    """Print the table of a group, and the memory that each row took."""
    found = measured(group.kinds, path, runs)
    seconds = {kind: [taken[0] for taken in results] for kind, results in found.items()}
    rows = [Row(name=group.kinds[kind], seconds=times, processor=times) for kind, times in seconds.items()]
    show(group.title, rows, group.goals)
    for kind, results in found.items():
        mebibytes, told = min(taken[1] for taken in results) >> 20, ""
        if group.kinds[kind] == OURS and group.most_mebibytes is not None:
            missed = "   MISSED" if mebibytes > group.most_mebibytes else ""
            told = f"   goal {group.most_mebibytes} MiB{missed}"
        print(f"{'memory, ' + group.kinds[kind]:34} {mebibytes:5} MiB{told}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the tensors")
    parser.add_argument("--dicts", type=int, default=200_000, help="number of small dictionaries in a pickle")
    parser.add_argument("--runs", type=int, default=9, help="child processes for each figure")
    options = parser.parse_args()
    with_modules = importlib.util.find_spec("networkx") is not None
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bench.pt")
        sizes = [str(options.mebibytes), str(options.dicts), str(int(with_modules))]
        subprocess.run([sys.executable, "-c", MAKE, path, *sizes], check=True)
        groups = [
            Group(
                title=f"load {options.mebibytes} MiB of tensors",
                kinds={
                    "tensor torch.load": "torch.load(mmap=True)",
                    "tensor stock": "torch.package",
                    "tensor ours": OURS,
                },
                goals={OURS: Goal(most=0.3)},
                most_mebibytes=5,
            ),
            Group(
                title=f"load {options.dicts} dictionaries",
                kinds={"dicts pickle": "pickle.load", "dicts stock": "torch.package", "dicts ours": OURS},
                goals={OURS: Goal(most=1)},
            ),
        ]
        if with_modules:
            groups.append(
                Group(
                    title="import networkx",
                    kinds={
                        "modules native": "python with .pyc",
                        "modules stock": "torch.package",
                        "modules ours": OURS,
                    },
                    goals={OURS: Goal(most=1.2)},
                )
            )
        groups.append(Group(title="import hermpkg_build.runtime.importer", kinds={"import": OURS}, goals={}))
        for group in groups:
            print_group(group, path, options.runs)


if __name__ == "__main__":
    main()
