"""Artifacts that pools serve, and a pool that tests share as long as they leave it as it was."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hermpkg_build import PackageExporter, PackageImporter, sys_importer
from hermpkg_build.serving import Pool
from hermpkg_build.serving.warm import Surroundings, borrow, give_back, surroundings

SOURCE = """
import asyncio, os, signal, subprocess, sys, time

VERSION = {version!r}
kept = []


class Refused(ValueError):
    pass


class Word:
    def __init__(self, text):
        self.text = text


def version(seconds=0):
    time.sleep(seconds)
    return VERSION


def echo(*args, **kwargs):
    return args, kwargs


def pid():
    return os.getpid()


def zeros(size):
    return bytes(size)


def refuse(text):
    raise Refused(text)


def missing(key):
    return {{}}[key]


def word(text):
    return Word(text)


def text_of(word):
    assert type(word) is Word
    return word.text


def leave(status):
    os._exit(status)


def kill(number):
    os.kill(os.getpid(), number)


def end(status):
    sys.exit(status)


def once(path, how):
    # Dies the first time.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return "alive"
    how(9) if callable(how) else kill(9)


def keep(value):
    kept.append(value)
    return len(kept)


def leak(files):
    for _ in range(files):
        os.open(os.devnull, os.O_RDONLY)
    return os.getpid()


def meet(folder, count):
    # How many are there at once, when there are as many as that, or they do not come.
    open(os.path.join(folder, str(os.getpid())), "x").close()
    end = time.monotonic() + 100
    while len(os.listdir(folder)) < count and time.monotonic() < end:
        time.sleep(0.01)
    return len(os.listdir(folder))


def sleeper():
    return subprocess.Popen(["sleep", "1000"]).pid


def forked():
    return os.fork()


def daemon():
    # One that has left its parent and its group.
    code = "import subprocess as s; print(s.Popen(['sleep', '1000'], stdout=s.DEVNULL).pid)"
    command = [sys.executable, "-c", code]
    started = subprocess.run(command, stdout=subprocess.PIPE, start_new_session=True, check=True)
    return int(started.stdout)


async def later(value):
    await asyncio.sleep(0)
    return value
"""


def write_artifact(path: Path, version: str = "1") -> str:
    """Write an artifact without torch aside, and rename it."""
    aside = path.with_suffix(".new")
    with PackageExporter(str(aside)) as exporter:
        exporter.extern(["asyncio", "os", "signal", "subprocess", "sys", "time"])
        exporter.save_source_string("app", SOURCE.format(version=version))
        exporter.save_pickle("data", "words.pkl", {"a": 1})
    os.replace(aside, path)
    return str(path)


def write_model(path: Path, source: str, make: str) -> str:
    """Write an artifact with the module `app` of a `source`, and the model that its function `make` gives."""
    aside = str(path.with_suffix(".source"))
    with PackageExporter(aside) as exporter:
        exporter.extern("**")
        exporter.save_source_string("app", source)
    with (
        PackageImporter(aside) as importer,
        PackageExporter(str(path), importer=[importer, sys_importer]) as exporter,
    ):
        exporter.intern("app")
        exporter.extern("**")
        exporter.save_module("app")
        exporter.save_pickle("model", "model.pkl", getattr(importer.import_module("app"), make)())
    return str(path)


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_artifact(tmp_path_factory.mktemp("größe und mehr") / "app é.pt")


@pytest.fixture(scope="module")
def pool(artifact: str) -> Iterator[Pool]:
    with Pool(artifact, 2, preload=()) as pool:
        yield pool


@pytest.fixture(scope="session")
def _warm_torch(nothing_left: None) -> Iterator[Surroundings]:
    around = surroundings(("torch",), {"OPENBLAS_NUM_THREADS": "1"})
    process = borrow(around)
    yield around
    give_back(process)


@pytest.fixture
def warm_torch(_warm_torch: Surroundings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pools start from one process that has imported torch, which takes longer than the tests."""
    monkeypatch.setattr("hermpkg_build.serving.pool.surroundings", lambda *_: _warm_torch)


@pytest.fixture(scope="session", autouse=True)
def nothing_left() -> Iterator[None]:
    """When all pools are closed, no process of theirs is left."""
    yield
    end = time.monotonic() + 300
    while left := processes_of_pools():
        assert time.monotonic() < end, left
        time.sleep(0.05)


def processes_of_pools() -> list[int]:
    """The numbers of the processes below this one that pools have started."""
    parents: dict[int, int] = {}
    lines: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                lines[int(entry.name)] = (entry / "cmdline").read_text()
                parents[int(entry.name)] = int(fields[1])
            except OSError:
                continue
    own = {os.getpid()}
    grown = True
    while grown:
        more = {process for process, parent in parents.items() if parent in own} - own
        own |= more
        grown = bool(more)
    return sorted(process for process in own if "serving.inside" in lines.get(process, ""))
