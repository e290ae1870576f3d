"""What the baseline of processors costs: factories with `cpu = "baseline"` beside `cpu = "native"`."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from table import Goal, show, timed

FACTORIES = {
    "make nothing (start torch)": "return nn.Linear(1, 1)",
    "initialise 100 million numbers": "return nn.Linear(10_000, 10_000)",
    "train an MLP, 200 steps of 256 rows": """
    model = nn.Sequential(nn.Linear(512, 1024), nn.ReLU(), nn.Linear(1024, 10))
    steps = torch.optim.Adam(model.parameters())
    for _ in range(200):
        steps.zero_grad()
        model(torch.randn(256, 512)).square().mean().backward()
        steps.step()
    return model""",
    "train a convolution, 10 steps of 16 pictures": """
    model = nn.Sequential(nn.Conv2d(3, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3))
    steps = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(10):
        steps.zero_grad()
        model(torch.randn(16, 3, 64, 64)).square().mean().backward()
        steps.step()
    return model""",
}
MOST = dict(zip(FACTORIES, (1.1, 1.1, 2.2, 1.5), strict=True))
"""In times of `native`, by title: numbers that are drawn cost nothing, products of matrices twice."""
BUILD = """
load("@hermpkg//rules:defs.bzl", "model", "python_modules")
python_modules(name = "modules", srcs = ["net.py"])
[
    model(name = cpu, factory = "app.net:make", cpu = cpu, deps = [":modules"])
    for cpu in ["native", "baseline"]
]
"""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often each row is timed")
    options = parser.parse_args(arguments)
    for title, body in FACTORIES.items():
        with tempfile.TemporaryDirectory(prefix="bench processor ") as folder:
            app = Path(folder, "app")
            app.mkdir()
            Path(folder, "pyproject.toml").write_text("[tool.hermpkg]\n")
            (app / "BUILD").write_text(BUILD)
            (app / "net.py").write_text(
                f"import torch\nfrom torch import nn\n\ndef make():\n    {body.strip()}\n"
            )
            rows = {cpu: lambda cpu=cpu: _build(folder, cpu) for cpu in ("native", "baseline")}
            show(title, timed(rows, options.rounds), {"baseline": Goal(most=MOST[title])})
    return 0


def _build(root: str, cpu: str) -> None:
    """Make the model with an empty cache, and without notes of an earlier build."""
    shutil.rmtree(os.path.join(root, "hermpkg-out"), ignore_errors=True)
    with tempfile.TemporaryDirectory() as cache:
        words = ["--cache-dir", os.path.join(cache, "c"), "-q", "build", f"//app:{cpu}"]
        subprocess.run([sys.executable, "-m", "hermpkg_build", *words], cwd=root, check=True)


if __name__ == "__main__":
    sys.exit(main())
