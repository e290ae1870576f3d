"""Shared libraries of the same file name: loaded once, tried before they are loaded, or refused."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from hermpkg_build.runtime.host import native_libraries
from hermpkg_build.runtime.host.native_libraries import NativeNameTakenError, load_library

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")

INITIALISER = "#include <stdlib.h>\n#include <unistd.h>\n__attribute__((constructor)) void start(void) { %s }"


@pytest.fixture
def loaded(monkeypatch) -> set[str]:
    """The table in which torch keeps the paths of what it has loaded."""
    table: set[str] = set()
    monkeypatch.setitem(sys.modules, "torch", SimpleNamespace(ops=SimpleNamespace(loaded_libraries=table)))
    return table


@pytest.fixture
def library(tmp_path) -> Callable[[str, str], str]:
    def make(folder: str, initialiser: str) -> str:
        path = tmp_path / folder / "native.so"
        path.parent.mkdir()
        command = ["cc", "-shared", "-fPIC", "-x", "c", "-", "-o", str(path)]
        subprocess.run(command, input=INITIALISER % initialiser, text=True, check=True)
        return str(path)

    return make


def test_the_same_bytes_are_loaded_once(loaded, library, tmp_path) -> None:
    loaded.add(library("first", ""))
    copy = tmp_path / "native.so"
    shutil.copy(Path(*loaded), copy)
    load_library(lambda path: pytest.fail(f"{path} was loaded again"), str(copy))
    assert str(copy) in loaded


def test_another_library_of_the_name_is_loaded_where_both_can_be(loaded, library, capfd) -> None:
    loaded.add(library("first", ""))
    tried: list[str] = []
    second = library("second", 'write(1, "heard", 5);')
    load_library(tried.append, second)
    assert tried == [second]
    assert capfd.readouterr().out == ""


IGNORING = """
import signal, sys
from types import SimpleNamespace
from hermpkg_build.runtime.host.native_libraries import NativeNameTakenError, load_library

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
first, fine, bad = sys.argv[1:]
sys.modules["torch"] = SimpleNamespace(ops=SimpleNamespace(loaded_libraries={first}))
load_library(lambda path: print("loads", path == fine), fine)
try:
    load_library(print, bad)
except NativeNameTakenError as error:
    print("ended in it" in str(error))
"""


def test_a_process_that_ignores_the_ends_of_its_children_may_try_too(library) -> None:
    paths = [library("first", ""), library("fine", "getpid();"), library("bad", "abort();")]
    process = subprocess.run(
        [sys.executable, "-c", IGNORING, *paths], capture_output=True, text=True, check=False
    )
    assert process.stdout == "loads True\nTrue\n", process.stderr


@pytest.mark.parametrize(
    ("initialiser", "fate", "patience_s"),
    [
        ("abort();", "(SIGABRT)", 300),
        ("_exit(0);", "ended in it", 300),
        ("for (;;) pause();", "did not come back", 0.5),
    ],
)
def test_one_that_would_end_or_stop_the_process_is_refused(
    loaded, library, monkeypatch, initialiser, fate, patience_s
) -> None:
    monkeypatch.setattr(native_libraries, "PATIENCE_S", patience_s)
    loaded.add(library("first", ""))
    second = library("second", initialiser)
    with pytest.raises(NativeNameTakenError) as caught:
        load_library(lambda path: pytest.fail(f"{path} was loaded"), second)
    assert fate in str(caught.value)
    assert second in str(caught.value)


def test_without_fork_another_program_tries(loaded, library, monkeypatch, tmp_path) -> None:
    fake = "import ctypes\n\nclass ops:\n    load_library = staticmethod(ctypes.CDLL)\n"
    (tmp_path / "fake").mkdir()
    (tmp_path / "fake/torch.py").write_text(fake)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "fake"))
    monkeypatch.delattr(os, "fork")
    loaded.add(library("first", ""))
    tried: list[str] = []
    fine = library("fine", "getpid();")
    load_library(tried.append, fine)
    assert tried == [fine]
    with pytest.raises(NativeNameTakenError, match="a process that loaded both ended in it"):
        load_library(lambda path: pytest.fail(f"{path} was loaded"), library("bad", "abort();"))
