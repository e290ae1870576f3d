"""What a factory computes has the same bytes on every processor of an architecture."""

from __future__ import annotations

import platform
import shutil
from pathlib import Path

import pytest

from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.factories.make import ModelObject
from tests.unit.factories.conftest import ModelWorkspace

pytest.importorskip("torch")
pytest.importorskip("numpy")

PROCESSORS = {"x86_64": ["Nehalem", "max"], "aarch64": ["cortex-a57", "max"]}.get(platform.machine(), [])

ARRAYS = """
import math

import numpy


def by_numpy():
    square = numpy.random.standard_normal((40, 40))
    for numbers in (square, square.astype("float32")):
        yield from (numbers @ numbers, numpy.exp(numbers), numpy.sin(numbers), numbers.sum(axis=0))
        yield from numpy.linalg.qr(numbers)


def numbers():
    plain = [function(0.1 + number) for number in range(9) for function in (math.exp, math.sin, math.lgamma)]
    return [[array.tobytes() for array in by_numpy()], plain, [number**2.7 for number in plain]]
"""

NUMBERS = """
import arrays
import torch
from torch import nn


def initialised():
    weight = torch.empty(33, 40)
    yield from (nn.Conv2d(3, 8, 3).weight, nn.LSTM(5, 7).weight_ih_l0, torch.randn(1000), torch.rand(50))
    yield nn.init.trunc_normal_(weight.clone())
    yield nn.init.orthogonal_(weight.clone())
    yield nn.init.kaiming_normal_(weight.clone())
    yield torch.distributions.Gamma(torch.rand(9), torch.rand(9)).sample()


def computed():
    square = torch.randn(40, 40)
    positive = torch.rand(3000)
    yield from (square @ square, torch.softmax(square, 1), torch.linalg.svdvals(square))
    yield from torch.linalg.qr(square)
    for numbers in (positive, positive.double()):
        for name in ("exp", "log1p", "sin", "tanh", "erf", "lgamma", "rsqrt", "sqrt", "asin", "acos", "atan"):
            yield getattr(numbers, name)()
        yield from (numbers**0.5, numbers**2.3, numbers.std())
    yield from (torch.fft.rfft(square).real, torch.conv1d(square[None], torch.randn(4, 40, 3)))


def trained():
    layer = nn.Linear(20, 20)
    optimizer = torch.optim.Adam(layer.parameters())
    for _ in range(3):
        optimizer.zero_grad()
        layer(torch.randn(4, 20)).pow(2).sum().backward()
        optimizer.step()
    yield from layer.parameters()


def numbers():
    tensors = [tensor.detach() for made in (initialised, computed, trained) for tensor in made()]
    return [tensors, arrays.numbers()]
"""


@pytest.fixture
def numbers(models: ModelWorkspace) -> ModelWorkspace:
    models.write("computed.py", NUMBERS)
    models.write("arrays.py", ARRAYS)
    return models


def bytes_of(made: ModelObject) -> tuple[object, ...]:
    return made.pickle, made.storages


@pytest.mark.slow
@pytest.mark.parametrize(
    ("factory", "processors"),
    [
        # Torch takes half a minute to be imported by a processor that is emulated.
        pytest.param("computed:numbers", PROCESSORS, marks=pytest.mark.thorough),
        ("arrays:numbers", PROCESSORS[:1]),
    ],
)
def test_other_processors_give_the_same_bytes(
    numbers: ModelWorkspace, factory: str, processors: list[str]
) -> None:
    if shutil.which(f"qemu-{platform.machine()}") is None:
        pytest.skip("QEMU's user mode is not installed: sh tests/machine.sh")
    here = numbers.make(factory)
    for processor in processors:
        there = numbers.make(factory, conditions=FactoryConditions(processor=processor))
        assert bytes_of(there) == bytes_of(here), processor
        assert there.computed_on == here.computed_on


def test_the_processors_own_instructions_give_others(numbers: ModelWorkspace) -> None:
    if " avx2 " not in Path("/proc/cpuinfo").read_text(encoding="utf-8"):
        pytest.skip("this processor has little beyond the baseline")
    baseline, native = numbers.make("computed:numbers"), numbers.make("computed:numbers", cpu="native")
    assert bytes_of(native) != bytes_of(baseline)
    assert native.computed_on.startswith(f"{baseline.computed_on} ")
    assert not native.unpinned
    assert not baseline.unpinned
