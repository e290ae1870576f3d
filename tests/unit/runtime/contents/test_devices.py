"""Tensors go to the device that is asked for; where there is none, the error says what to ask for."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from hermpkg_build import HermpkgError, PackageExporter, PackageImporter

ABSENT = "cuda:99"


@pytest.fixture
def saved_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """An artifact as from a machine that has a device more."""
    path = str(tmp_path / "model.pt")
    monkeypatch.setattr(torch.serialization, "location_tag", lambda storage: ABSENT)
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", torch.nn.Linear(3, 2))
    monkeypatch.undo()
    return path


def test_a_device_that_is_not_there_is_told_with_the_way_out(saved_elsewhere: str) -> None:
    with PackageImporter(saved_elsewhere) as importer:
        with pytest.raises(HermpkgError, match="cannot be put on its device") as raised:
            importer.load_pickle("model", "model.pkl")
        assert isinstance(raised.value, RuntimeError)
        assert ("saved on", ABSENT) in raised.value.facts
        assert 'map_location="cpu"' in raised.value.next_step
        assert importer.load_pickle("model", "model.pkl", map_location="cpu").weight.device.type == "cpu"
        assert importer.load_tensors("model", "model.pkl")["weight"].device.type == "cpu"


@pytest.mark.parametrize("asked", [ABSENT, torch.device(ABSENT), {"cpu": ABSENT}], ids=repr)
def test_so_is_one_that_is_asked_for(tmp_path: Path, asked) -> None:
    with PackageExporter(str(tmp_path / "model.pt")) as exporter:
        exporter.extern("**")
        exporter.save_pickle("model", "model.pkl", torch.ones(3))
    with PackageImporter(str(tmp_path / "model.pt")) as importer:
        for load in (importer.load_pickle, importer.load_tensors):
            with pytest.raises(HermpkgError, match="cannot be put on its device"):
                load("model", "model.pkl", map_location=asked)


def test_what_a_function_of_the_caller_raises_is_left_as_it_is(saved_elsewhere: str) -> None:
    def place(storage, saved_on):
        raise RuntimeError(f"not {saved_on}")

    with PackageImporter(saved_elsewhere) as importer, pytest.raises(RuntimeError, match=f"^not {ABSENT}$"):
        importer.load_pickle("model", "model.pkl", map_location=place)
