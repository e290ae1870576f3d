"""Model objects of torch: weights, determinism, and a model of an installed distribution."""

from __future__ import annotations

from typing import Any

import pytest

from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.errors import ActionError, Location
from hermpkg_build.factories.request import ModelObject
from tests.unit.factories.conftest import ModelWorkspace

torch = pytest.importorskip("torch")
safetensors_torch = pytest.importorskip("safetensors.torch")

NET = """
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.convolution = nn.Conv2d(width, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x):
        return torch.relu(self.norm(self.convolution(x)) + x)

class Net(nn.Module):
    def __init__(self, width=4):
        super().__init__()
        # Holds parameters before the modules that own them, which come by their order of hashes.
        self.tracked = set()
        self.names = {"stem", "blocks", "head"}
        self.stem = nn.Conv2d(3, width, 3)
        self.blocks = nn.Sequential(Block(width), Block(width))
        self.tracked.update(self.parameters())
        self.noise = {nn.Parameter(torch.rand(3)) for _ in range(5)}
        self.register_buffer("garbage", torch.empty(64))
        print("made", width)

    def forward(self, x):
        return self.blocks(self.stem(x))

def net(width=4):
    return Net(width)

def tied():
    first, second = nn.Linear(2, 2), nn.Linear(2, 2)
    second.weight = first.weight
    return nn.Sequential(first, second)

def plain():
    return [1]
"""


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    torch.manual_seed(3)
    return dict(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)).state_dict())


def bytes_of(models: ModelWorkspace, made: ModelObject) -> list[bytes | None]:
    return [models.content.get_bytes(stored.digest) for stored in made.storages]


def test_a_model_is_the_same_whatever_the_hash_seed(models: ModelWorkspace) -> None:
    models.write("models/net.py", NET)
    first = models.make("models.net:net", conditions=FactoryConditions(hash_seed=0))
    assert first == models.make("models.net:net", conditions=FactoryConditions(hash_seed=12345))
    assert all(data is not None for data in bytes_of(models, first))
    imports = {observed.module: observed for observed in first.observed_modules}
    assert (imports["torch"].path, imports["torch"].line) == ("models/net.py", 2)
    assert str(models.root / "models/net.py") in first.observed_files.code


def test_operators_are_deterministic_and_inductor_is_imported_where_it_is_asked_for(
    models: ModelWorkspace,
) -> None:
    models.write(
        "net.py",
        """
import sys
import torch

def make():
    warns = torch.is_deterministic_algorithms_warn_only_enabled()
    before = "torch._inductor" in sys.modules
    from torch._inductor import config
    follows = getattr(config, "deterministic", True)  # older versions have no such setting
    return [torch.are_deterministic_algorithms_enabled(), warns, before, follows]
""",
    )
    made = models.load(models.make("net:make"))
    assert made == [True, True, False, True]


def test_writing_large_tensors_imports_nothing_that_is_observed(models: ModelWorkspace) -> None:
    models.write("models/large.py", "import torch\ndef make():\n    return torch.zeros(1 << 20)\n")
    made = models.make("models.large:make")
    importers = {observed.importer for observed in made.observed_modules}
    assert not [importer for importer in importers if importer.startswith("hermpkg_build")]


def test_weights_of_either_kind(models: ModelWorkspace, state: dict[str, Any]) -> None:
    models.write("models/net.py", NET)
    del state["1.weight"]
    safetensors_torch.save_file(state, models.root / "w.safetensors")
    state["1.weight"] = state["0.weight"]
    torch.save(state, models.root / "w.pt")
    made = models.make("models.net:tied", weights="w.safetensors")
    assert models.make("models.net:tied", weights="w.pt", seed=1).storages == made.storages
    expected = state["0.weight"].numpy().tobytes()
    assert expected in bytes_of(models, made)


def test_weights_that_do_not_fit_are_told_by_the_factorys_process(models: ModelWorkspace) -> None:
    models.write("models/net.py", NET)
    torch.save({"0.weight": torch.ones(2, 2)}, models.root / "w.pt")
    with pytest.raises(ActionError) as caught:
        models.make("models.net:tied", weights="w.pt")
    assert caught.value.location == Location("w.pt")
    # The second layer is tied to the first, so that its weight is not missing.
    assert dict(caught.value.facts)["missing"] == "0.bias\n1.bias"


@pytest.mark.thorough
def test_loftr_of_kornia_is_the_same_whatever_the_hash_seed(models: ModelWorkspace) -> None:
    pytest.importorskip("kornia")
    models.write(
        "matching.py",
        "from kornia.feature import LoFTR\ndef make(): return LoFTR(pretrained=None).eval()\n",
    )
    first = models.make("matching:make", conditions=FactoryConditions(hash_seed=1))
    assert first == models.make("matching:make", conditions=FactoryConditions(hash_seed=2))
    assert "kornia.feature.loftr.loftr" in {observed.module for observed in first.observed_modules}
    assert any(path.endswith("kornia/feature/loftr/loftr.py") for path in first.observed_files.read)


def test_modules_of_an_ordinary_model_count_by_their_code(models: ModelWorkspace) -> None:
    net = models.write("net.py", NET)
    made = models.make("net:net")
    assert made.observed_files.code == (str(net),)


@pytest.mark.parametrize(
    "body",
    [
        "return torch.jit.trace(torch.nn.Linear(2, 2), torch.zeros(2))",
        "return str(torch.jit.trace(torch.relu, torch.zeros(2)).graph)",
        "return torch.jit.script(torch.nn.Linear(2, 2))",
        "from torch.utils._traceback import CapturedTraceback as T; return str(T.extract().summary())",
    ],
)
def test_modules_count_by_their_text_where_torch_takes_lines_from_frames(
    body: str, models: ModelWorkspace
) -> None:
    net = models.write("net.py", f"import torch\ndef make():\n    torch.manual_seed(1)\n    {body}\n")
    made = models.make("net:make")
    assert str(net) in made.observed_files.read
    assert made.observed_files.code == ()
