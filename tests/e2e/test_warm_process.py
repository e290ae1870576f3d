"""Builds whose factories are forked from a process that is kept make what others make."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageImporter
from tests.e2e.conftest import Workspace

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="warm processes are for Linux")

BUILD = """
python_modules(name = "modules", srcs = glob(["*.py"]))
model(name = "one", factory = "app.factory:make", args = {"value": 1}, deps = [":modules"])
model(name = "two", factory = "app.factory:make", args = {"value": 2}, deps = [":modules"])
model_package(
    name = "app",
    models = {"m/one.pkl": ":one", "m/two.pkl": ":two"},
    policy = [intern("app.**"), extern("packaging.**"), deny("**")],
    deps = [":modules"],
)
"""
FACTORY = """
import os

from packaging.version import Version


class Made:
    def __init__(self, value):
        self.value, self.version = value, str(Version("1.0") > Version("0.9"))


def make(value):
    return Made(value)
"""


@pytest.fixture
def runtime() -> Iterator[str]:
    """A short runtime folder, whose processes are ended."""
    folder = tempfile.mkdtemp(prefix="run")
    yield folder
    for process in processes(folder):
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def processes(runtime: str) -> list[int]:
    """The warm processes with sockets in a folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"{runtime}/".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.fixture
def app(workspace: Workspace) -> Workspace:
    workspace.build_file(BUILD)
    workspace.write("app/__init__.py", "")
    workspace.write("app/factory.py", FACTORY)
    return workspace


def test_an_edit_is_made_by_the_process_that_is_there(app: Workspace, runtime: str) -> None:
    env = {"HERMPKG_WARM_PROCESS": "always", "XDG_RUNTIME_DIR": runtime}
    app.build("//app", env=env)
    (process,) = processes(runtime)
    app.write("app/factory.py", FACTORY.replace("0.9", "2.0"))
    app.build("//app", env=env)
    assert processes(runtime) == [process]
    artifact = app.root / "hermpkg-out/app/app.pt"
    warm = artifact.read_bytes()
    with PackageImporter(artifact) as importer:
        assert importer.load_pickle("m", "two.pkl").version == "False"
    shutil.rmtree(app.root / "hermpkg-out")
    shutil.rmtree(app.cache)
    app.build("//app")
    assert artifact.read_bytes() == warm


def test_models_of_one_build_share_a_process_that_ends_with_it(app: Workspace, runtime: str) -> None:
    app.write("app/factory.py", f"{FACTORY.replace('= value,', '= os.getppid(),')}")
    env = {"HERMPKG_WARM_PROCESS": "auto", "CI": "true", "XDG_RUNTIME_DIR": runtime}
    app.build("//app", env=env)
    with PackageImporter(app.root / "hermpkg-out/app/app.pt") as importer:
        parents: set[Any] = {importer.load_pickle("m", f"{name}.pkl").value for name in ("one", "two")}
    assert len(parents) == 1
    end = time.monotonic() + 300
    while processes(runtime):
        assert time.monotonic() < end
        time.sleep(0.01)


@pytest.mark.parametrize("setting", ["HERMPKG_WARM_PROCESS", "pyproject.toml", "CI"])
def test_a_setting_switches_it_off(setting: str, app: Workspace, runtime: str) -> None:
    env = {"HERMPKG_WARM_PROCESS": "", "XDG_RUNTIME_DIR": runtime}
    if setting == "HERMPKG_WARM_PROCESS":
        env[setting] = "never"
    elif setting == "CI":
        env[setting] = "1"
        app.build_file(BUILD.replace(', "m/two.pkl": ":two"', ""))
    else:
        app.write(setting, '[tool.hermpkg]\nwarm-process = "never"\n')
    app.build("//app", env=env)
    assert processes(runtime) == []
