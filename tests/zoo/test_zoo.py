"""Libraries of the zoo that are installed where everything else is tested."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")


def program(file: str) -> Iterator[Any]:
    """A program beside this file, as a module."""
    spec = spec_from_file_location("zoo_run", Path(__file__).with_name(file))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Its dataclasses look their module up.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "zoo_run", module)
        spec.loader.exec_module(module)
        yield module


@pytest.fixture(scope="module")
def zoo() -> Iterator[Any]:
    """The program that `make zoo` runs."""
    yield from program("run.py")


@pytest.fixture(scope="module")
def models() -> Iterator[Any]:
    """The program that `make models` runs."""
    yield from program("pack.py")


@pytest.mark.thorough
@pytest.mark.parametrize("library", ["kornia", "torchmetrics", "transformers"])
def test_a_packed_library_does_what_the_installed_one_does(zoo: Any, library: str, tmp_path: Path) -> None:
    outcome = zoo.measure(library, tmp_path, stock=False, measures_times=False)
    assert outcome.problems == ()
    assert outcome.is_complete
    assert outcome.modules > 100


@pytest.mark.slow
def test_a_model_of_a_library_packs_with_one_line(models: Any, tmp_path: Path) -> None:
    facts = models.pack_one("kornia", models.models()["kornia"], tmp_path)
    assert "error" not in facts
    assert {each["name"]: each["policy"] for each in facts["decisions"]}["kornia"] == "intern"
    assert models.row("kornia", facts).split()[3] == "yes"
