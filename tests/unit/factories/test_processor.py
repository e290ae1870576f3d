"""The processor baseline: what libraries are told, and the functions that replace torch's."""

from __future__ import annotations

import types
from typing import Any

import pytest

from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.factories.processor import LIMITED, baseline_variables, emulation_of, numpy_features_left
from tests.unit.factories.conftest import ModelWorkspace

FUNCTIONS = """
import math
import torch


def near(found, expected):
    assert found.dtype == expected.dtype and found.shape == expected.shape, (found, expected)
    precision = 4e-16 if found.dtype == torch.float64 else 1e-7
    assert torch.allclose(found, expected, rtol=precision, equal_nan=True)


def check():
    special = [0.0, -0.0, 1.0, 49.0, 0.3, -1.0, 1e-310, 1e300, math.inf, math.nan]
    for dtype in (torch.float64, torch.float32):
        numbers = torch.tensor([*special, *torch.rand(200).tolist()], dtype=dtype)
        roots = [math.sqrt(number) if not number < 0 else math.nan for number in numbers.tolist()]
        near(numbers.sqrt(), torch.tensor(roots, dtype=dtype))
        near(numbers**0.5, numbers.sqrt())
        near(numbers.clone().sqrt_(), numbers.sqrt())
        near(numbers.clone().pow_(0.5), numbers.sqrt())
        assert math.copysign(1, numbers.sqrt()[1]) == -1
        inside = numbers[(numbers >= -1) & (numbers <= 1)]
        for name in ("asin", "acos", "atan"):
            expected = torch.tensor([getattr(math, name)(number) for number in inside.tolist()], dtype=dtype)
            near(getattr(torch, name)(inside), expected)
        assert torch.tensor([1.5], dtype=dtype).acos().isnan().all()
    assert torch.arange(3).sqrt().dtype == torch.float32
    assert (torch.arange(4) ** 2).tolist() == [0, 1, 4, 9]
    near(torch.tensor([4.0]) ** -1, torch.tensor([0.25]))
    near(torch.tensor([-1j]).sqrt().abs(), torch.tensor([1.0]))
    for wrong in (lambda: torch.arange(3).sqrt_(), lambda: torch.arange(3).pow_(0.5)):
        try:
            wrong()
        except RuntimeError as error:
            assert "Long" in str(error)
        else:
            raise AssertionError("an integer was given a fraction")
    across = torch.rand(2, 3).t()
    assert across.sqrt().stride() == across.stride() == (across**3).stride()
    value = torch.tensor([0.25], requires_grad=True)
    (value.sqrt() + value**0.5 + value.asin() + value**3).sum().backward()
    near(value.grad, torch.tensor([1 + 1 + 1 / math.sqrt(1 - 0.0625) + 3 * 0.0625]))
    assert "aten::sqrt" in str(torch.jit.trace(lambda x: x.sqrt(), torch.rand(3)).graph)
    return [torch.ones(1)]
"""


def test_replaced_functions_are_right(models: ModelWorkspace) -> None:
    pytest.importorskip("torch")
    models.write("functions.py", FUNCTIONS)
    models.make("functions:check")


def test_a_factory_sees_the_variables_of_the_baseline_only(models: ModelWorkspace) -> None:
    models.write("seen.py", "import os\ndef seen(): return dict(os.environ)\n")
    seen = models.load(models.make("seen:seen"))
    native = models.load(models.make("seen:seen", cpu="native"))
    assert baseline_variables().items() <= seen.items()
    assert not baseline_variables().keys() & native.keys()


def test_a_limited_processor_holds_a_native_model_to_the_baseline(models: ModelWorkspace) -> None:
    models.write("seen.py", "import os\ndef seen(): return dict(os.environ)\n")
    made = models.make("seen:seen", cpu="native", conditions=FactoryConditions(processor=LIMITED))
    assert baseline_variables().items() <= models.load(made).items()


def test_every_architecture_has_a_baseline() -> None:
    assert baseline_variables("riscv64").items() <= baseline_variables("x86_64").items()


@pytest.mark.parametrize("package", ["numpy._core", "numpy.core"])
def test_features_that_a_later_numpy_chooses_by_are_told(package: str) -> None:
    features: Any = {"SSE42": True, "AVX1024": True, "AVX2048": False, "X86_V2": True}
    umath = types.SimpleNamespace(__cpu_features__=features, __cpu_dispatch__=["SSE42", "AVX1024", "AVX2048"])
    assert numpy_features_left({f"{package}._multiarray_umath": umath}) == ("AVX1024",)
    assert numpy_features_left({}) == ()


def test_a_processor_that_cannot_be_emulated(models: ModelWorkspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert emulation_of("") == []
    models.write("plain.py", "def plain(): return 1\n")
    with pytest.raises(LocalEnvironmentError, match="the processor Nehalem cannot be emulated"):
        models.make("plain:plain", conditions=FactoryConditions(processor="Nehalem"))
