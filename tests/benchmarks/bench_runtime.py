"""Measures opening, importing and loading beside torch.package, torch.load and plain imports.

Prints a table; each time is the best of several child processes, of the processor time that one took,
so that a busy machine matters little. Run it as a script.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass

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
class Row:
    """One line of the table: what was done, by whom, in how many seconds, taking how many bytes."""

    what: str
    who: str
    seconds: float
    memory: int


def measure(kind: str, path: str, runs: int) -> tuple[float, int]:
    """The best time of `runs` child processes, and the memory that this run took."""
    results = []
    for _ in range(runs):
        child = subprocess.run(
            [sys.executable, "-c", CHILD, kind, path], check=True, capture_output=True, text=True
        )
        results.append(tuple(json.loads(child.stdout)))
    return min(results)


def table(rows: list[Row]) -> str:
    """The rows as aligned text, each with its time as a multiple of the row "ours" of its group."""
    lines = [f"{'what':<34}{'who':<26}{'time':>12}{'memory':>12}{'ours is':>10}"]
    ours = {row.what: row.seconds for row in rows if row.who == "hermpkg"}
    for row in rows:
        ratio = f"{ours[row.what] / row.seconds:.2f} x" if row.who != "hermpkg" else ""
        time, memory = f"{row.seconds * 1e3:.1f} ms", f"{row.memory / 2**20:.0f} MiB"
        lines.append(f"{row.what:<34}{row.who:<26}{time:>12}{memory:>12}{ratio:>10}")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the tensors")
    parser.add_argument("--dicts", type=int, default=200_000, help="number of small dictionaries in a pickle")
    parser.add_argument("--runs", type=int, default=3, help="child processes for each figure")
    options = parser.parse_args()
    with_modules = importlib.util.find_spec("networkx") is not None
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "bench.pt")
        sizes = [str(options.mebibytes), str(options.dicts), str(int(with_modules))]
        subprocess.run([sys.executable, "-c", MAKE, path, *sizes], check=True)
        groups = {
            f"load {options.mebibytes} MiB of tensors": {
                "tensor torch.load": "torch.load(mmap=True)",
                "tensor stock": "torch.package",
                "tensor ours": "hermpkg",
            },
            f"load {options.dicts} dictionaries": {
                "dicts pickle": "pickle.load",
                "dicts stock": "torch.package",
                "dicts ours": "hermpkg",
            },
        }
        if with_modules:
            groups["import networkx"] = {
                "modules native": "python with .pyc",
                "modules stock": "torch.package",
                "modules ours": "hermpkg",
            }
        groups["import hermpkg_build.runtime.importer"] = {"import": "hermpkg"}
        rows = []
        for what, kinds in groups.items():
            for kind, who in kinds.items():
                seconds, memory = measure(kind, path, options.runs)
                rows.append(Row(what=what, who=who, seconds=seconds, memory=memory))
    print(table(rows))


if __name__ == "__main__":
    main()
