"""Every example in two clean checkouts that share a server: the second runs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/pyproject.toml"))
LARGE = {"matching"}


def test_there_are_examples() -> None:
    assert len(NAMES) >= 4


@pytest.mark.parametrize(
    "example", [pytest.param(name, marks=pytest.mark.thorough if name in LARGE else ()) for name in NAMES]
)
def test_the_second_checkout_runs_nothing(example: str, start_casd: Any, checkout: Any) -> None:
    url = start_casd("2.5.0").url
    first, second = checkout("first", example=example), checkout("second", example=example)
    ran, told = first.build("--remote-cache", url)
    assert ran > 0
    # That there is no lock is told in each checkout once; of the server there is nothing to tell.
    assert second.build("--remote-cache", url) == (0, told)
    assert second.build("--remote-cache", url) == (0, "")
    assert second.artifacts == first.artifacts != {}
