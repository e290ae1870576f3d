"""Artifacts that integrations call."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageExporter, PackageImporter

SERVE = """
import dataclasses, collections, torch

class Net(torch.nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = torch.nn.Parameter(factor)

    def forward(self, x, y=0):
        return {"out": x * self.factor + y, "grad": torch.is_grad_enabled()}

    def shape(self, x):
        return list(x.shape), str(x.dtype)

@dataclasses.dataclass
class Output:
    logits: object
    label: str

Pair = collections.namedtuple("Pair", "first second")

def same(x): return x
def named(**values): return values
def output(x): return Output(x, "cat")
def pair(x): return Pair(x, 1)
def opaque(x): return object()
async def later(x): return x
"""


@pytest.fixture
def artifact(tmp_path: Path) -> Callable[..., str]:
    """Makes an artifact with the module above, and objects by package and resource."""

    def make(
        objects: dict[tuple[str, str], Any] | None = None, source: str = SERVE, name: str = "net.pt"
    ) -> str:
        path = str(tmp_path / name)
        with PackageExporter(path) as exporter:
            exporter.extern("**")
            exporter.save_source_string("app.serve", source)
            for (package, resource), value in (objects or {}).items():
                exporter.save_pickle(package, resource, value)
        return path

    return make


@pytest.fixture
def opened(artifact: Callable[..., str]) -> Callable[..., PackageImporter]:
    """Opens such an artifact."""

    def open_it(objects: dict[tuple[str, str], Any] | None = None, source: str = SERVE) -> PackageImporter:
        return PackageImporter(artifact(objects, source))

    return open_it
