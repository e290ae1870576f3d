"""Makes the archives of mutants: with tensors, with code only, of torch.package, and one packed again."""

from __future__ import annotations

import importlib
import io
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import package as stock

from hermpkg_build import PackageExporter

SOURCES = {
    "fuzzed/__init__.py": "",
    "fuzzed/net.py": """import torch

from fuzzed.util import scale


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = torch.nn.Linear(3, 2)
        self.register_buffer("steps", torch.arange(4, dtype=torch.int64))
        self.note = {"a": [1, 2.5, "x"], "t": (1, 2), "b": b"bytes", "s": {1}, "n": 1 << 70}

    def forward(self, x):
        return scale(self.lin(x))
""",
    "fuzzed/util.py": "import json\n\n\ndef scale(x):\n    return x * 2\n",
}


def make_archives(folder: Path) -> dict[str, bytes]:
    """Return an archive of each kind, by the name of the kind."""
    for path, text in SOURCES.items():
        file = folder / "sources" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    sys.path.insert(0, str(folder / "sources"))
    torch.manual_seed(0)
    net = importlib.import_module("fuzzed.net").Net()

    def with_tensors(exporter: Any) -> None:
        exporter.save_pickle("model", "model.pkl", net)
        exporter.save_text("model", "words.txt", "one\ntwo\n")

    def with_code(exporter: Any) -> None:
        exporter.save_module("fuzzed.util")
        exporter.save_source_string("extra", "import wandb\n\nNAME = 'ä'\n")
        exporter.save_binary("data", "numbers.bin", bytes(range(256)))

    tensors = _exported(PackageExporter, with_tensors)
    return {
        "tensors": tensors,
        "code": _exported(PackageExporter, with_code),
        "stock": _exported(stock.PackageExporter, with_tensors),
        "repacked": _packed_again(tensors),
    }


def _exported(exporter_class: Any, fill: Callable[[Any], None]) -> bytes:
    stream = io.BytesIO()
    with exporter_class(stream) as exporter:
        exporter.mock("wandb.**", allow_empty=True)
        exporter.extern(["torch.**", "json"], allow_empty=True)
        exporter.intern("**", allow_empty=True)
        fill(exporter)
    return stream.getvalue()


def _packed_again(archive: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as before, zipfile.ZipFile(stream, "w") as after:
        for name in before.namelist():
            after.writestr(zipfile.ZipInfo(name), before.read(name), zipfile.ZIP_DEFLATED)
    return stream.getvalue()
