"""What is sent to an executor of this package is what its worker imports: all of it, and nothing else."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hermpkg_build.engine.remote.worker_code import WORKER, worker_code

SHOW_OURS = "print(*(m for m in sys.modules if m.startswith('hermpkg_build')))"


def modules(code: dict[str, bytes]) -> set[str]:
    return {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in code}


def run(script: str) -> list[str]:
    completed = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys, importlib; {script}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return completed.stdout.split()


def test_what_a_worker_loads_is_sent():
    loaded = run(f"import hermpkg_build.engine.remote.worker, hermpkg_build.factories.worker; {SHOW_OURS}")
    assert len(loaded) > 20
    assert set(loaded) <= modules(worker_code())


def test_what_functions_import_is_sent_and_nothing_that_no_worker_needs():
    names = modules(worker_code())
    assert WORKER in worker_code()
    assert "hermpkg_build.factories.weights" in names
    assert "hermpkg_build.errors" in names
    assert not {name for name in names if name.startswith(("hermpkg_build.cli", "hermpkg_build.remote"))}


@pytest.fixture
def sent(tmp_path: Path) -> Path:
    for path, source in worker_code().items():
        target = tmp_path / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source)
    return tmp_path


def test_all_that_is_sent_can_be_imported_where_nothing_else_is(sent):
    names = sorted(modules(worker_code()))
    load = (
        f"sys.path.insert(0, {str(sent)!r}); print(*(importlib.import_module(m).__file__ for m in {names}))"
    )
    assert all(file.startswith(f"{sent}/") for file in run(load))


def test_a_module_that_is_not_sent_is_missed(sent):
    (sent / "hermpkg_build/disk/source_tree.py").unlink()
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(f"sys.path.insert(0, {str(sent)!r}); import hermpkg_build.engine.remote.worker")
    assert "No module named 'hermpkg_build.disk.source_tree'" in caught.value.stderr
