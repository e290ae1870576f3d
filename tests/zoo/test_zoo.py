"""Three libraries of the zoo, those that are installed where everything else is tested."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def zoo() -> Any:
    """The program that `make zoo` runs."""
    spec = spec_from_file_location("zoo_run", Path(__file__).with_name("run.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    # Its dataclasses look their module up.
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "zoo_run", module)
        spec.loader.exec_module(module)
        yield module


@pytest.mark.slow
@pytest.mark.parametrize("library", ["kornia", "torchmetrics", "transformers"])
def test_a_packed_library_does_what_the_installed_one_does(zoo: Any, library: str, tmp_path: Path) -> None:
    outcome = zoo.measure(library, tmp_path, stock=False, measures_times=False)
    assert outcome.problems == ()
    assert outcome.is_complete
    assert outcome.modules > 100
