"""Artifacts in MLflow and on Ray Serve beside the same model in their own forms, and beside a bare importer.

Prints a table with the goal of each row, and marks those that are missed. What is not installed here is
looked for where ``make integrations`` installs it. Run it as a script.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[2]
THERE = REPOSITORY / ".venv-integrations" / "bin" / "python"
SIZE = 1024
MODEL = ("model", "model.pkl")


def row(
    name: str, value: float, unit: str, *, goal: float | None = None, more_is_better: bool = False
) -> None:
    """Print one row: what was measured, its value, and the goal, marked where it is missed."""
    missed = goal is not None and (value < goal if more_is_better else value > goal)
    shown = "" if goal is None else f"{goal:12.1f}{'  missed' if missed else ''}"
    print(f"{name:<58}{value:10.1f} {unit:<9}{shown}", flush=True)


def milliseconds(runs: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """The median of each, in turn, so that what else the machine does falls on all of them alike."""
    found: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            start = time.perf_counter()
            run()
            found[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(values) for name, values in found.items()}


def write(folder: str) -> tuple[str, Any]:
    """Write an artifact with a linear model of 4 MiB; the model too."""
    import torch

    from hermpkg_build import PackageExporter

    path, model = os.path.join(folder, "net.pt"), torch.nn.Linear(SIZE, SIZE, bias=False).eval()
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_pickle(*MODEL, model)
    return path, model


def mlflow_rows(folder: str, rounds: int) -> None:
    """Print how long models take to load from MLflow, and calls of them by its own interface."""
    import mlflow
    import mlflow.pytorch
    import numpy

    from hermpkg_build import PackageImporter
    from hermpkg_build.integrations import mlflow as flavor

    path, model = write(folder)
    ours, theirs = os.path.join(folder, "ours"), os.path.join(folder, "theirs")
    x = numpy.ones((1, SIZE), "f4")
    flavor.save_model(path, ours, signature=False)
    mlflow.pytorch.save_model(model, theirs, pip_requirements=["torch"], serialization_format="pickle")
    loads = milliseconds(
        {
            "importer": lambda: PackageImporter(path).load_pickle(*MODEL),
            "ours": lambda: flavor.load_model(ours),
            "theirs": lambda: mlflow.pytorch.load_model(theirs),
            "ours as pyfunc": lambda: mlflow.pyfunc.load_model(ours),
            "theirs as pyfunc": lambda: mlflow.pyfunc.load_model(theirs),
        },
        rounds,
    )
    row("load: a bare importer", loads["importer"], "ms")
    row("load: mlflow.pytorch", loads["theirs"], "ms")
    row("load: an artifact from MLflow", loads["ours"], "ms", goal=loads["theirs"])
    row("load as pyfunc: mlflow.pytorch", loads["theirs as pyfunc"], "ms")
    row("load as pyfunc: an artifact", loads["ours as pyfunc"], "ms", goal=loads["theirs as pyfunc"])
    mine, other = mlflow.pyfunc.load_model(ours), mlflow.pyfunc.load_model(theirs)
    calls = milliseconds({"ours": lambda: mine.predict(x), "theirs": lambda: other.predict(x)}, rounds * 20)
    row("predict: mlflow.pytorch", calls["theirs"], "ms")
    row("predict: an artifact", calls["ours"], "ms", goal=calls["theirs"] * 1.1)


def ray_rows(folder: str, count: int) -> None:
    """Print how soon a deployment answers, and calls a second of one replica."""
    import ray
    import torch
    from ray import serve

    from hermpkg_build import PackageImporter
    from hermpkg_build.integrations import ray as hermpkg_ray

    path, model = write(folder)
    torch.save(model, plain := os.path.join(folder, "plain.pt"))
    os.environ["HERMPKG_CACHE_DIR"] = os.path.join(folder, "cache")
    ray.init(num_cpus=4, include_dashboard=False, log_to_driver=False, object_store_memory=200 << 20)

    @serve.deployment
    class Bare:
        def __init__(self) -> None:
            torch.set_num_threads(1)
            self.model = torch.load(plain, weights_only=False)

        def __call__(self, x: torch.Tensor) -> torch.Tensor:
            with torch.no_grad():
                return self.model(x)

    x = torch.ones(1, SIZE)
    try:
        serve.run(Bare.bind(), name="warm", route_prefix=None).remote(x).result()  # starts Serve itself
        starts, handles, rates = {}, {}, {}
        for name, deploy in {
            "theirs": lambda: serve.run(Bare.bind(), name="theirs", route_prefix=None),
            "ours": lambda: hermpkg_ray.deploy(path, "ours"),
        }.items():
            begin = time.perf_counter()
            handles[name] = deploy()
            handles[name].remote(x).result()
            starts[name] = time.perf_counter() - begin
        for _ in range(3):
            for name, handle in handles.items():
                rates[name] = max(_rate(handle, x, count), rates.get(name, 0.0))
        with PackageImporter(path) as importer:
            here = importer.load_pickle(*MODEL)
        begin = time.perf_counter()
        with torch.no_grad():
            for _ in range(count):
                here(x)
        row(
            "calls a second: a bare importer, in this process",
            count / (time.perf_counter() - begin),
            "calls/s",
        )
        row("first answer: a deployment with torch.load", starts["theirs"], "s")
        row("first answer: an artifact on Ray Serve", starts["ours"], "s", goal=starts["theirs"] * 1.2)
        row("calls a second: a deployment with torch.load", rates["theirs"], "calls/s")
        goal = rates["theirs"] * 0.9
        row(
            "calls a second: an artifact on Ray Serve",
            rates["ours"],
            "calls/s",
            goal=goal,
            more_is_better=True,
        )
    finally:
        serve.shutdown()
        ray.shutdown()


def _rate(handle: Any, x: Any, count: int) -> float:
    begin = time.perf_counter()
    for response in [handle.remote(x) for _ in range(count)]:
        response.result()
    return count / (time.perf_counter() - begin)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10, help="how often models are loaded")
    parser.add_argument("--calls", type=int, default=500, help="calls of a deployment")
    options = parser.parse_args()
    missing = [name for name in ("mlflow", "ray") if find_spec(name) is None]
    if missing and THERE.is_file() and Path(sys.executable).parent != THERE.parent:
        return subprocess.run([str(THERE), *sys.argv], check=False).returncode
    print(f"{'':<58}{'':>10} {'':<9}{'goal':>12}")
    for name, rows in (
        ("mlflow", lambda folder: mlflow_rows(folder, options.rounds)),
        ("ray", lambda folder: ray_rows(folder, options.calls)),
    ):
        if name in missing:
            print(f"{name} is not installed: make integrations installs it, and this looks for it there")
            continue
        with tempfile.TemporaryDirectory(prefix="bi", dir="/tmp") as folder:
            rows(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
