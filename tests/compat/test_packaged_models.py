"""What people do with models, done with packaged ones: compile, script, export, copy, save, load data."""

from __future__ import annotations

import copy
import importlib
import inspect
import io
import pickle
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from hermpkg_build import PackageExporter, PackageImporter  # noqa: E402

SOURCE = """
import dataclasses
import enum
import inspect
from typing import NamedTuple, Optional, get_type_hints

import torch
import torch.utils.data


class Point(NamedTuple):
    x: int
    y: int


@dataclasses.dataclass
class Config:
    width: "int" = 1
    name: "Optional[str]" = None


class Color(enum.Enum):
    RED = 1


def scaled(x, factor: int):
    return x * factor


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 4)
        self.factor = 3

    def forward(self, x):
        return torch.relu(scaled(self.linear(x), self.factor))


class Numbers(torch.utils.data.Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        return torch.full((4,), float(index))


def collate(items):
    return torch.stack(items) * 2


def point(x):
    return Point(x, x + 1)


HINTS = get_type_hints(Config)
MODULE = inspect.getmodule(Config)
"""


@pytest.fixture(scope="module", params=["mangled", "real"])
def importer(request, tmp_path_factory) -> Iterator[PackageImporter]:
    folder: Path = tmp_path_factory.mktemp("packaged")
    torch.manual_seed(0)
    with PackageExporter(folder / "net.pt") as exporter:
        exporter.save_source_string("net", SOURCE)
        exporter.extern("**")
    with PackageImporter(folder / "net.pt", files=request.param) as opened:
        yield opened


@pytest.fixture
def net(importer: PackageImporter) -> Any:
    torch.manual_seed(0)
    return importer.import_module("net").Net().eval()


X = torch.arange(8.0).reshape(2, 4)


@pytest.mark.parametrize(
    "derive",
    [
        copy.deepcopy,
        torch.jit.script,
        lambda net: torch.jit.trace(net, X),
        lambda net: torch.compile(net, backend="eager", fullgraph=True),
        lambda net: torch.export.export(net, (X,)).module(),
        torch.fx.symbolic_trace,
        lambda net: pickle.loads(pickle.dumps(net)),
    ],
    ids=["deepcopy", "script", "trace", "compile", "export", "fx", "pickle"],
)
def test_what_is_made_of_a_model_computes_the_same(net: Any, derive: Any) -> None:
    assert torch.equal(derive(net)(X), net(X))


def test_torch_saves_and_loads_a_model(net: Any) -> None:
    stream = io.BytesIO()
    torch.save(net, stream)
    stream.seek(0)
    assert torch.equal(torch.load(stream, weights_only=False)(X), net(X))


def test_classes_find_their_module(importer: PackageImporter) -> None:
    module = importer.import_module("net")
    assert {"width": int, "name": str | None} == module.HINTS
    assert module.MODULE is module is inspect.getmodule(module.Net)
    assert "def forward" in inspect.getsource(module.Net)
    for value in (module.Color.RED, module.Point(1, 2), module.Config(3)):
        assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_data_loader_workers_have_packaged_classes(importer: PackageImporter, method: str) -> None:
    module = importer.import_module("net")
    loader = torch.utils.data.DataLoader(
        module.Numbers(),
        batch_size=4,
        num_workers=1,
        collate_fn=module.collate,
        multiprocessing_context=method,
    )
    assert sum(batch.sum().item() for batch in loader) == 2 * 4 * 28


def test_the_host_is_as_it_was(importer: PackageImporter) -> None:
    importer.import_module("net")
    assert "net" not in sys.modules
    assert type(torch.nn.Linear.__module__) is str


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_data_loader_workers_of_an_artifact_in_memory(importer: PackageImporter, method: str) -> None:
    with PackageImporter(io.BytesIO(Path(importer.filename).read_bytes())) as in_memory:
        module = in_memory.import_module("net")
        loader = torch.utils.data.DataLoader(
            module.Numbers(),
            batch_size=4,
            num_workers=2,
            collate_fn=module.collate,
            multiprocessing_context=method,
        )
        assert sum(batch.sum().item() for batch in loader) == 2 * 4 * 28


@pytest.mark.slow
@pytest.mark.thorough
@pytest.mark.skipif(shutil.which("g++") is None, reason="no C++ compiler")
@pytest.mark.skipif(" " in torch.__file__, reason="torch tells its compiler of no paths with blanks")
def test_inductor_compiles_a_model(
    net: Any, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The same C++ is compiled once for all processes of the run; the way to it is gone each time.
    folder = tmp_path_factory.getbasetemp().parent / "inductor"
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(folder))
    torch._dynamo.reset()
    graphs = torch._dynamo.utils.counters["stats"]
    before = graphs["unique_graphs"]
    with (
        _without(torch._inductor.config, "fx_graph_cache", "cpp_cache_precompile_headers"),
        _without(torch._functorch.config, "enable_autograd_cache"),
    ):
        assert torch.allclose(torch.compile(net, fullgraph=True)(X), net(X))
    assert graphs["unique_graphs"] == before + 1


def _without(config: Any, *settings: str) -> Any:
    """Switch off those of the settings that this version of torch has."""
    return config.patch({name: False for name in settings if hasattr(config, name)})


WRITES_CODE = """
import importlib.util
import sys

import torch

SOURCE = '''
import {name}
OFFSET = 2
def written(x):
    return helper(x) + {name}.BASE + OFFSET
def helper(x):
    return x * 3
'''
BASE = 1


class Net(torch.nn.Module):
    def forward(self, x):
        return self.written(x)


def attach(path):
    name = f"{__name__}_written"
    with open(path, "w") as file:
        file.write(SOURCE.format(name=__name__))
    spec = importlib.util.spec_from_file_location(name, path)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    Net.written = staticmethod(module.written)
    return Net()
"""


def test_code_that_packaged_code_writes_is_compiled(tmp_path: Path) -> None:
    importlib.import_module("torch._dynamo")  # What comes after the modules gets to know of them otherwise.
    with PackageExporter(tmp_path / "writes.pt") as exporter:
        exporter.save_source_string("writes", WRITES_CODE)
        exporter.extern("**")
    with PackageImporter(tmp_path / "writes.pt") as importer:
        net = importer.import_module("writes").attach(str(tmp_path / "written.py"))
        x = torch.ones(2)
        expected = torch.full((2,), 6.0)
        assert torch.equal(net(x), expected)
        assert torch.equal(torch.compile(net, backend="eager")(x), expected)
        assert torch.equal(torch.compile(net, backend="eager", fullgraph=True)(x), expected)
