"""Modules with parametrizations: packed, and the same when they are loaded, also by a stock torch.package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageExporter, PackageImporter

torch = pytest.importorskip("torch")
parametrizations = pytest.importorskip("torch.nn.utils.parametrizations")


def _two_of_one_module() -> Any:
    layer = parametrizations.weight_norm(torch.nn.Linear(3, 3))
    return torch.nn.Sequential(torch.nn.Sequential(layer), layer)


MODELS: dict[str, Any] = {
    "weight_norm": lambda: parametrizations.weight_norm(torch.nn.Linear(3, 2)),
    "spectral_norm": lambda: parametrizations.spectral_norm(torch.nn.Linear(3, 2)).eval(),
    "orthogonal": lambda: parametrizations.orthogonal(torch.nn.Linear(3, 3)),
    "both": lambda: parametrizations.weight_norm(
        parametrizations.spectral_norm(torch.nn.Linear(3, 2).eval()), "bias", dim=None
    ),
    "one module twice": _two_of_one_module,
}


def save(model: Any, path: Path) -> bytes:
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", model)
    return path.read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_a_parametrized_module_is_the_same_when_it_is_loaded(tmp_path: Path, name: str) -> None:
    torch.manual_seed(0)
    model, x = MODELS[name](), torch.rand(4, 3)
    path = tmp_path / "model.pt"
    first = save(model, path)
    for importer in (PackageImporter(path), torch.package.PackageImporter(str(path))):
        loaded = importer.load_pickle("model", "model.pkl")
        assert torch.equal(loaded(x), model(x))
        assert loaded.state_dict().keys() == model.state_dict().keys()
        assert type(loaded).__name__ == type(model).__name__
        assert save(loaded, tmp_path / "again.pt") == first
    if name == "one module twice":
        assert loaded[0][0] is loaded[1]


def test_it_can_be_changed_and_trained_afterwards(tmp_path: Path) -> None:
    save(MODELS["weight_norm"](), tmp_path / "model.pt")
    loaded = PackageImporter(tmp_path / "model.pt").load_pickle("model", "model.pkl")
    loaded(torch.rand(1, 3)).sum().backward()
    assert loaded.parametrizations.weight.original1.grad is not None
    torch.nn.utils.parametrize.remove_parametrizations(loaded, "weight")
    assert type(loaded) is torch.nn.Linear
