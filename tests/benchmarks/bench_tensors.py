"""Tensors without code: `load_tensors` beside safetensors on the same tensors, and beside `load_pickle`.

The goal is 1.2 times safetensors. Opening is part of a load. "and read" touches every tensor once, without
which a large load is nothing but a mapping. Run it as a script.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from table import Goal, show, timed

from hermpkg_build import PackageExporter, PackageImporter

NESTED = "hermpkg, a module of modules of modules"
Tensors = Mapping[str, torch.Tensor]


def read(tensors: Tensors) -> None:
    """Touch every page."""
    for tensor in tensors.values():
        tensor.view(-1)[::1024].sum()


def _blocks(tensors: list[torch.Tensor]) -> torch.nn.Module:
    """Return modules of modules, each with two others, down to those with a weight."""
    module = torch.nn.Module()
    if len(tensors) == 1:
        module.weight = torch.nn.Parameter(tensors[0])
        return module
    module.first, module.second = _blocks(tensors[::2]), _blocks(tensors[1::2])
    return module


def compare(folder: Path, title: str, tensors: dict[str, torch.Tensor], rounds: int) -> None:
    """Save the tensors in both forms, load them, and print a table."""
    flat, ours, nested = folder / "t.safetensors", str(folder / "t.pt"), str(folder / "n.pt")
    module = torch.nn.Module()
    save_file(tensors, flat)
    for name, tensor in tensors.items():
        module.register_buffer(name.replace(".", "_"), tensor)
    layers = torch.nn.ModuleList(torch.nn.Module() for _ in tensors)
    for layer, tensor in zip(layers, tensors.values(), strict=True):
        layer.register_parameter("weight", torch.nn.Parameter(tensor))
    with PackageExporter(ours) as exporter:
        exporter.extern("**")
        exporter.save_pickle("state", "state.pkl", tensors)
        exporter.save_pickle("module", "module.pkl", module)
        exporter.save_pickle("layers", "layers.pkl", layers)
    # How a file was written decides how fast its pages are met for the first time: both are written alike.
    for path in (str(flat), ours):
        shutil.copyfile(path, f"{path}.copy")
        os.replace(f"{path}.copy", path)
    with PackageExporter(nested) as exporter:
        exporter.extern("**")
        exporter.save_pickle("blocks", "blocks.pkl", _blocks([*tensors.values()]))
    opened = PackageImporter(ours)
    rows: dict[str, Callable[[], object]] = {
        "safetensors": lambda: load_file(flat),
        "hermpkg, a state dict": lambda: PackageImporter(ours).load_tensors("state", "state.pkl"),
        "hermpkg, opened before": lambda: opened.load_tensors("state", "state.pkl"),
        "hermpkg, a module": lambda: PackageImporter(ours).load_tensors("module", "module.pkl"),
        "hermpkg, a module of layers": lambda: PackageImporter(ours).load_tensors("layers", "layers.pkl"),
        NESTED: lambda: PackageImporter(nested).load_tensors("blocks", "blocks.pkl"),
        "hermpkg, load_pickle": lambda: PackageImporter(ours).load_pickle("state", "state.pkl"),
    }
    # What takes a millisecond is nothing to have a goal for.
    with_goal = [name for name in rows if name.startswith("hermpkg, a ") and len(tensors) > 1000]
    goals = dict.fromkeys(with_goal, Goal(most=1.2))
    show(title, timed(rows, rounds), goals)
    both: dict[str, Callable[[], object]] = {
        "safetensors, and read": lambda: read(load_file(flat)),
        "hermpkg, and read": lambda: read(PackageImporter(ours).load_tensors("state", "state.pkl")),
    }
    show(f"{title}, each touched", timed(both, rounds))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", type=int, default=10_000, help="how many small tensors")
    parser.add_argument("--mebibytes", type=int, default=1024, help="size of the large ones")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    small = {f"layers.{i}.weight": torch.rand(8, 8) for i in range(options.small)}
    large = {f"layers.{i}.weight": torch.rand(1024, 8192) for i in range(options.mebibytes // 32)}
    for title, tensors in (
        (f"{options.small} tensors of 256 bytes", small),
        (f"{options.mebibytes} MiB in tensors of 32 MiB", large),
    ):
        with tempfile.TemporaryDirectory() as folder:
            compare(Path(folder), title, tensors, options.rounds)


if __name__ == "__main__":
    main()
