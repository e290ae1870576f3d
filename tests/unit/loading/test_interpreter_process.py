"""The process that evaluates BUILD files ends with what needed it, not with a collection of garbage."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermpkg_build.cli.main import main
from hermpkg_build.loading import interpreter
from hermpkg_build.loading.interpreter_process import InterpreterProcess
from tests.unit.loading.conftest import WorkspaceFiles


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[object]]:
    """What says of each process that was started, by `alive`, that it has not been ended."""
    started: list[object] = []

    class Noted(InterpreterProcess):
        def __init__(self) -> None:
            super().__init__()
            started.append(self.end)

    monkeypatch.setattr(interpreter, "InterpreterProcess", Noted)
    gc.collect()
    gc.disable()
    try:
        yield started
    finally:
        gc.enable()


def _alive(running: list[object]) -> list[bool]:
    return [end.alive for end in running]  # type: ignore[attr-defined]


def test_it_ends_with_its_loader(files: WorkspaceFiles, running: list[object]) -> None:
    files.build("a")
    loader = files.loader()
    loader.build_file("a")
    assert _alive(running) == [True]
    del loader
    assert _alive(running) == [False]


def test_it_ends_with_the_loaders_block_and_another_is_started_where_it_is_needed(
    files: WorkspaceFiles, running: list[object]
) -> None:
    files.build("a")
    files.build("b")
    with files.loader() as loader:
        loader.build_file("a")
        assert _alive(running) == [True]
    assert _alive(running) == [False]
    loader.build_file("b")
    assert _alive(running) == [False, True]
    loader.close()
    assert _alive(running) == [False, False]


@pytest.mark.parametrize("command", [["build"], ["query"], ["fix", "--dry-run"]], ids=lambda each: each[0])
def test_it_ends_with_the_command(
    files: WorkspaceFiles,
    running: list[object],
    command: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    files.write("a/m.py")
    files.build("a", 'python_modules(name = "a", srcs = ["m.py"])')
    monkeypatch.chdir(files.root)
    monkeypatch.setenv("HERMPKG_CACHE_DIR", str(tmp_path / "cache"))
    main([*command, "//..."])
    assert running
    assert not any(_alive(running))
