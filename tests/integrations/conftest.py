"""The models of the tests of integrations, which `make integrations` runs in an environment of its own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

WORDS = """
import os, signal, time, torch

class OwnError(Exception):
    pass

def factor(): return FACTOR
def fail(x): raise OwnError(f"no: {x}")
def scaled(x, scale=1.0): return {"y": x * FACTOR * scale, "rows": x.shape[0]}
def identified(x): return os.getpid(), float((x * FACTOR)[0, 0])
def slow(x, seconds):
    time.sleep(seconds)
    return x * FACTOR
def rows(x): return x * FACTOR, x.shape[0]
"""


@pytest.fixture(scope="session")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., str]:
    """Makes artifacts of a linear model, by the factor that it multiplies with and the name of the file."""
    import torch

    from hermpkg_build import PackageExporter

    folder = tmp_path_factory.mktemp("artifacts ü")

    def make(factor: float = 2.0, *, name: str = "net.pt", rows: int = 2, example: bool = False) -> str:
        path = str(folder / name)
        state = {"weight": torch.full((rows, 3), factor), "bias": torch.zeros(rows)}
        with PackageExporter(path) as exporter:
            exporter.extern("**")
            exporter.save_source_string("app.words", f"FACTOR = {factor}\n{WORDS}")
            exporter.save_pickle("model", "model.pkl", linear(state))
            if example:
                exporter.save_pickle("model", "example.pkl", torch.ones(2, 3))
        return path

    return make


def linear(state):
    """A linear layer with this state."""
    import torch

    rows, columns = state["weight"].shape
    model = torch.nn.Linear(columns, rows)
    model.load_state_dict(state)
    return model.eval()
