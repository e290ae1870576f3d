"""Loads ask torch no more than they must whether tensors are fake, and leave it as it was."""

from __future__ import annotations

import contextlib
import io
import threading
from typing import Any

import pytest
import torch
from torch._guards import TracingContext, detect_fake_mode, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.runtime.contents.unpickling import short_looks

LOOK = torch._utils._restore_device_fake_mode


class OtherMode(TorchDispatchMode):
    pass


def traced(mode: Any) -> Any:
    return tracing(TracingContext(mode))


SURROUNDINGS = {
    "nothing": contextlib.nullcontext,
    "a fake mode": FakeTensorMode,
    "another mode": OtherMode,
    "tracing": lambda: traced(FakeTensorMode()),
    "tracing nothing fake": lambda: traced(None),
}


@pytest.mark.parametrize("surroundings", SURROUNDINGS.values(), ids=SURROUNDINGS)
def test_torch_looks_wherever_anything_is_fake(surroundings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[Any] = []

    def detect(inputs: Any) -> Any:
        looks.append(detect_fake_mode(inputs))
        return looks[-1]

    monkeypatch.setattr(torch._guards, "detect_fake_mode", detect)
    tensor = torch.ones(1)
    with short_looks, surroundings():
        found = detect_fake_mode(None)
        assert torch._utils._restore_device_fake_mode(tensor) is tensor
    assert looks == [found] or (not looks and found is None)


@pytest.fixture
def artifact() -> io.BytesIO:
    stream = io.BytesIO()
    with PackageExporter(stream) as exporter:
        exporter.save_pickle("t", "t.pkl", [torch.ones(2), torch.nn.Parameter(torch.zeros(3))])
    return stream


def test_a_load_takes_no_long_look(artifact: io.BytesIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch._guards, "detect_fake_mode", None)
    ones, zeros = PackageImporter(artifact).load_pickle("t", "t.pkl")
    assert ones.tolist() == [1, 1]
    assert zeros.requires_grad
    with pytest.raises(TypeError):
        LOOK(ones)


def test_torch_is_as_it_was_after_loads_of_all_threads() -> None:
    entered, left = threading.Barrier(2), threading.Barrier(2)

    def load() -> None:
        with short_looks:
            entered.wait()
            left.wait()

    thread = threading.Thread(target=load)
    thread.start()
    entered.wait()
    with contextlib.suppress(ValueError), short_looks:
        raise ValueError
    assert torch._utils._restore_device_fake_mode is not LOOK
    left.wait()
    thread.join()
    assert torch._utils._restore_device_fake_mode is LOOK


@pytest.mark.parametrize("other", [lambda tensor: tensor, torch.relu, None])
def test_a_look_of_another_form_stays(other: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch._utils, "_restore_device_fake_mode", other)
    with short_looks:
        assert torch._utils._restore_device_fake_mode is other
