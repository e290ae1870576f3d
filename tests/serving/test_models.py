"""Models in pools: tensors to and fro, batches, memory, and the names of torch::deploy."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import torch

from hermpkg_build import PackageExporter
from hermpkg_build.serving import Batch, CallError, Pool
from hermpkg_build.serving.deploy import InterpreterManager
from tests.serving.conftest import write_model

pytestmark = pytest.mark.usefixtures("warm_torch")

SOURCE = """
import os
import torch

kept = []
sizes = []


class Scale(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = torch.nn.Parameter(torch.arange(3.0))

    def forward(self, x, times: int = 1):
        sizes.append(len(x))
        if (x < -1000).any():
            raise ValueError("too small")
        if (x > 1000).any():
            os._exit(1)
        return {"y": x * self.scale * times, "sum": x.sum(1)}

    def columns(self, x):
        # What becomes of a row depends on the other rows.
        return x - x.mean(0)


def largest():
    return max(sizes)


def in_place(x):
    x += 1
    kept.append(x)
    return x


def kept_sum():
    return float(sum(x.sum() for x in kept))


def pss():
    with open("/proc/self/smaps_rollup") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))


def use(x):
    return float(large["weight"].sum())
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_model(tmp_path_factory.mktemp("models") / "models.pt", SOURCE, "Scale")


@pytest.fixture
def pool(artifact: str) -> Iterator[Pool]:
    with Pool(artifact, 2) as pool:
        yield pool


MODEL = ("model", "model.pkl")


def expected(x: torch.Tensor) -> torch.Tensor:
    return x * torch.arange(3.0)


@pytest.mark.parametrize("rows", [1, 100_000])
def test_tensors_to_and_fro(pool, rows):
    x = torch.randn(rows, 3)
    result = pool.call(MODEL, x)
    assert torch.equal(result["y"], expected(x))
    assert not result["y"].requires_grad
    result["y"] += 1
    assert torch.equal(pool.call(MODEL, x=x, times=2)["y"], 2 * expected(x))


def test_what_a_worker_does_with_its_arguments_stays_there(pool):
    """Neither does it show here, nor do later calls show in what a worker has kept."""
    bound = pool.bind("app:in_place", worker=0)
    x = torch.zeros(50_000)
    for _ in range(3):
        assert bound(x).sum() == 50_000
        assert x.sum() == 0
    assert pool.bind("app:kept_sum", worker=0)() == 150_000


def test_what_becomes_of_arguments_does_not_show_in_a_call_that_waits(pool):
    x = torch.ones(1, 3)
    futures = [pool.submit(MODEL, x.fill_(n)) for n in range(20)]
    assert [float(future.result()["sum"]) for future in futures] == [3.0 * n for n in range(20)]


def test_results_are_what_they_were_after_later_calls(pool):
    results = [pool.call(MODEL, torch.full((30_000, 3), float(n)))["sum"] for n in range(4)]
    assert [float(result[0]) for result in results] == [0, 3, 6, 9]


def test_batches_have_the_results_of_single_calls(artifact, caplog):
    with Pool(artifact, 1, batch=Batch(size=8, delay=0.2)) as pool:
        inputs = [torch.randn(1 + n % 3, 3) for n in range(40)]
        for x, result in zip(inputs, pool.map(MODEL, inputs), strict=True):
            assert torch.allclose(result["y"], expected(x))
            assert torch.allclose(result["sum"], x.sum(1))
        assert pool.call("app:largest") > 3
        # One that is wrong, and one of another shape, leave the others as they are.
        futures = [pool.submit(MODEL, torch.full((1, 3), v)) for v in (1.0, -5000.0, 2.0)]
        futures.append(pool.submit(MODEL, torch.ones(2, 1)))
        with pytest.raises(ValueError, match="too small"):
            futures[1].result()
        assert [float(f.result()["sum"][0]) for f in (futures[0], futures[2], futures[3])] == [3, 6, 1]
        # One that ends the worker fails alone.
        futures = [pool.submit(MODEL, torch.full((1, 3), v)) for v in (1.0, 5000.0, 2.0)]
        assert futures[1].exception() is not None
        assert [float(futures[n].result()["sum"]) for n in (0, 2)] == [3, 6]
        # What mixes rows is found out, and called one by one.
        with caplog.at_level(logging.WARNING, "hermpkg_build.serving"):
            results = list(pool.map(MODEL, [torch.ones(2, 3) * n for n in range(8)], method="columns"))
        assert all(not result.any() for result in results)
        assert "one by one" in caplog.text


def test_gradients_where_they_are_asked_for(artifact):
    with Pool(artifact, 1, grad=True, load=[MODEL]) as pool:
        assert pool.call(MODEL, torch.ones(1, 3))["y"].requires_grad


@pytest.mark.skipif(not hasattr(__import__("os"), "memfd_create"), reason="memory is told by Linux only")
def test_workers_share_mapped_weights(tmp_path):
    """Ten workers that use 64 MiB of weights take less than twice these beyond what they take without."""
    path, weight = str(tmp_path / "large.pt"), 64 << 20
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_source_string("app", SOURCE)
        exporter.save_pickle("model", "large.pkl", {"weight": torch.ones(weight // 4)})
    with Pool(path, 4, load=["app:pss"]) as pool:
        workers = [pool.bind("app:pss", worker=n) for n in range(4)]
        before = sum(worker() for worker in workers)
        for n in range(4):
            used = pool.bind(("model", "large.pkl"), method="__getitem__", worker=n)("weight")
            assert used.sum() == weight // 4
            del used
        after = sum(worker() for worker in workers)
    # What went through shared memory is counted with the workers, too.
    assert after - before < 4 * weight * 2.6


def test_the_example_of_torch_deploy(artifact):
    with InterpreterManager(2) as manager:
        package = manager.load_package(artifact)
        model = package.load_pickle("model", "model.pkl")
        x = torch.ones(1, 3)
        assert torch.equal(model(x)["y"], expected(x))
        with manager.acquire_one() as first, model.acquire_session() as second:
            assert first.interpreter != second.interpreter
            assert torch.equal(first.from_movable(model)(x)["y"], expected(x))
            assert not second.from_movable(model).attr("columns")(x).any()
            assert torch.equal(second.global_("app", "in_place")(x), x + 1)
        with pytest.raises(ValueError, match="closed"):
            first.from_movable(model)
        with pytest.raises(CallError, match="importer"), package.acquire_session() as session:
            session.global_("app", "Scale")()
