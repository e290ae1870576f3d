"""Workers on devices: what they load and what they are called with is there, and results are on the CPU."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest
import torch

from hermpkg_build import HermpkgError
from hermpkg_build.serving import Pool
from tests.serving.conftest import write_model

pytestmark = pytest.mark.usefixtures("warm_torch")

# The meta device is on every machine; tests/gpu calculates.
SOURCE = """
import os
import torch

class Where(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(3))

    def forward(self, *args, **kwargs):
        return [str(self.weight.device), *(str(each.device) for each in (*args, *kwargs.values()))]

def places(value):
    return [str(value["one"][0].device), str(value["two"].device)]

def pid():
    return os.getpid()
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_model(tmp_path_factory.mktemp("devices") / "where.pt", SOURCE, "Where")


@pytest.fixture(scope="module")
def pool(artifact: str) -> Iterator[Pool]:
    with Pool(artifact, workers=2, device=["meta", "cpu"]) as pool:
        yield pool


def test_workers_have_devices_in_turn(pool: Pool) -> None:
    for worker, device in enumerate(["meta", "cpu"]):
        model = pool.bind(("model", "model.pkl"), worker=worker)
        assert model.call(torch.ones(2), more=torch.ones(1)) == [device] * 3


def test_a_worker_that_takes_the_place_of_another_has_its_device(pool: Pool) -> None:
    for worker, device in enumerate(["meta", "cpu"]):
        before = pool.bind("app:pid", worker=worker).call()
        os.kill(before, signal.SIGKILL)
        assert pool.bind("app:pid", worker=worker, retries=3).call() != before
        assert pool.bind(("model", "model.pkl"), worker=worker).call() == [device]


def test_tensors_within_arguments_are_there_too(pool: Pool) -> None:
    value = {"one": [torch.nn.Parameter(torch.ones(4, 4)[1])], "two": torch.eye(3).to_sparse()}
    assert pool.bind("app:places", worker=0).call(value) == ["meta", "meta"]


def test_results_are_on_the_cpu_as_they_were(artifact: str) -> None:
    with Pool(artifact, workers=1, device="cpu") as pool:
        assert torch.equal(pool.call("torch:neg", torch.ones(2)), -torch.ones(2))


def test_a_device_that_is_not_there_is_told_at_once(artifact: str) -> None:
    with pytest.raises(HermpkgError, match="cannot be put on its device"):
        Pool(artifact, workers=1, device="cuda:99", load=[("model", "model.pkl")])
