"""Weights files that cannot be used, and what is said of them."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build.errors import ActionError, Location
from hermpkg_build.factories.weights import load_weights

torch = pytest.importorskip("torch")
pytest.importorskip("safetensors")


def model() -> Any:
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("weights")
    state = dict(model().state_dict())
    torch.save({f"module.{key}": value for key, value in state.items()}, root / "wrapped.pt")
    torch.save({**state, "0.weight": torch.ones(3, 3), "extra": torch.ones(1)}, root / "misfit.pt")
    torch.save(state, root / "old.pt", _use_new_zipfile_serialization=False)
    torch.save([1, 2], root / "list.pt")
    torch.save({"model": model()}, root / "whole.pt")
    (root / "code.pt").write_bytes(pickle.dumps(print))
    (root / "torn.pt").write_bytes((root / "wrapped.pt").read_bytes()[:200])
    (root / "empty.pt").write_bytes(b"")
    (root / "torn.safetensors").write_bytes(b"\x09\0\0\0\0\0\0\0{}")
    (root / "weights.txt").write_text("x")
    with zipfile.ZipFile(root / "zip.pt", "w") as archive:
        archive.writestr("a", "b")
    return root


@pytest.mark.parametrize(
    ("name", "summary", "fact", "next_step"),
    [
        ("wrapped.pt", "the weights do not fit the model", "missing", 'of the file starts with "module."'),
        ("misfit.pt", "the weights do not fit the model", "unexpected", "same arguments"),
        ("misfit.pt", "the weights do not fit the model", "shapes", "same arguments"),
        ("list.pt", "the weights file holds a list, not a state dict", "", "torch.save"),
        ("whole.pt", "the weights file holds more than tensors", "reason", "model.state_dict()"),
        ("code.pt", "the weights file holds more than tensors", "reason", "model.state_dict()"),
        ("torn.pt", "the weights file cannot be read", "reason", "complete"),
        ("empty.pt", "the weights file cannot be read", "reason", "complete"),
        ("torn.safetensors", "the weights file cannot be read", "reason", "complete"),
        ("missing.safetensors", "the weights file cannot be read", "reason", "complete"),
        ("zip.pt", "the weights file cannot be read", "reason", "complete"),
        ("weights.txt", "weights are a .safetensors file", "", ""),
    ],
)
def test_weights_that_cannot_be_used(files: Path, name: str, summary: str, fact: str, next_step: str) -> None:
    with pytest.raises(ActionError) as caught:
        load_weights(model(), str(files / name), shown=f"models/{name}")
    assert summary in caught.value.summary
    assert caught.value.location == Location(f"models/{name}")
    assert next_step in caught.value.next_step
    assert not fact or fact in dict(caught.value.facts)


def test_an_old_file_without_a_zip_is_read(files: Path) -> None:
    loaded = model()
    load_weights(loaded, str(files / "old.pt"), shown="old.pt")
    again = torch.load(files / "old.pt", weights_only=True)
    assert torch.equal(loaded[0].weight, again["0.weight"])


def test_what_has_no_state_dict_takes_no_weights(files: Path) -> None:
    with pytest.raises(ActionError, match="the factory returned a list, which has no load_state_dict"):
        load_weights([1], str(files / "old.pt"), shown="old.pt")
