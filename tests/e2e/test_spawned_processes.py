"""Processes that a factory has multiprocessing start find its modules, and what they read is an input."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageImporter
from tests.e2e.test_other_processes import BUILD

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what is opened")

FACTORY = """
import concurrent.futures
import multiprocessing
from app.work import work

def pool(method):
    with multiprocessing.get_context(method).Pool(1) as workers:
        return workers.map_async(work, [1, 2]).get(60)

def executor(method):
    context = multiprocessing.get_context(method)
    with concurrent.futures.ProcessPoolExecutor(1, mp_context=context) as workers:
        return [*workers.map(work, [1, 2], timeout=60)]

def torch_loader(method):
    from torch.utils.data import DataLoader

    loader = DataLoader([1, 2], num_workers=1, collate_fn=work, multiprocessing_context=method, timeout=60)
    return [*loader]

def make():
    return {asked}
"""
WAYS = [
    "pool('spawn')",
    "pool('forkserver')",
    "executor('spawn')",
    "torch_loader('spawn')",
]


@pytest.fixture
def workspace(make_workspace: Any) -> Iterator[Any]:
    """A workspace of a short path: multiprocessing makes sockets in the folder for temporary files."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield make_workspace(Path(folder, "workspace"), Path(folder, "cache"))


@pytest.mark.parametrize("asked", WAYS)
def test_they_find_modules_of_the_workspace(workspace: Any, asked: str) -> None:
    if "torch" in asked:
        pytest.importorskip("torch")
    workspace.write("pyproject.toml", "[tool.hermpkg]\n")
    workspace.build_file(BUILD)
    workspace.write("app/__init__.py", "")
    workspace.write("app/work.py", "def work(given):\n    from app.other import WORD\n    return WORD\n")
    workspace.write("app/factory.py", FACTORY.replace("{asked}", asked))
    for word in ("one", "three"):
        workspace.write("app/other.py", f"WORD = {word!r}\n")
        workspace.build("//app")
        with PackageImporter(workspace.root / "hermpkg-out/app/app.pt") as importer:
            assert importer.load_pickle("m", "x.pkl") == [word, word]
    assert workspace.build("//app").target["status"] == "up-to-date"
