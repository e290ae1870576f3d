"""Builds whose factories are forked from a process that is kept make what others make."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
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


COUNTED = """
import json, sys
del sys.path[0]
from hermpkg_build.__main__ import main
from hermpkg_build.engine.targets import model
from hermpkg_build.engine.targets.factory_ahead import FactoryAhead
from hermpkg_build.factories import child
from hermpkg_build.factories.early_fork import Fork
from hermpkg_build.factories.warm_client import WarmProcesses
counts = {"asked": 0, "ready": 0, "told": 0, "fresh": 0, "forked": 0, "started": 0, "begun": 0, "used": 0}
def counting(owner, name, count):
    original = getattr(owner, name)
    def counted(*arguments, **options):
        counts[count] += 1
        return original(*arguments, **options)
    setattr(owner, name, counted)
ask = Fork.__init__
def asking(fork, connection):
    counts["asked"] += 1
    counts["engine imported before"] = "hermpkg_build.engine.build" in sys.modules
    ask(fork, connection)
Fork.__init__ = asking
counting(Fork, "tell_likely", "ready")
counting(Fork, "tell", "told")
counting(child, "run_child", "fresh")
counting(WarmProcesses, "run", "forked")
counting(WarmProcesses, "_start", "started")
counting(FactoryAhead, "__init__", "begun")
counting(FactoryAhead, "result", "used")
begin = model.begun_ahead
def beginning(build, *given):
    begun = begin(build, *given)
    counts["compared before"] = len(build.context.states)
    return begun
model.begun_ahead = beginning
meanwhile, packing = model.imported_meanwhile, "hermpkg_build.engine.targets.packing"
def noting(*names):
    counts["packing imported before"] = packing in sys.modules
    return meanwhile(*names)
model.imported_meanwhile = noting
code = main()
counts["packing imported"] = packing in sys.modules
print(json.dumps(counts), file=sys.stderr)
sys.exit(code)
"""
"""Runs the command, and tells what it did."""


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


def test_a_library_in_memory_that_changes(workspace: Workspace, runtime: str) -> None:
    if not os.access("/dev/shm", os.W_OK):
        pytest.skip("no /dev/shm")
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder:
        env = {"HERMPKG_WARM_PROCESS": "always", "XDG_RUNTIME_DIR": runtime, "PYTHONPATH": folder}
        workspace.build_file(BUILD.replace('intern("app.**"), extern("packaging.**"), ', ""))
        workspace.write("app/__init__.py", "")
        workspace.write("app/factory.py", "import lib\ndef make(value): return lib.X\n")
        for value in (1, 2, 3):
            Path(folder, "lib.py").write_text(f"X = {value}\n")
            workspace.build("//app", env=env)
            with PackageImporter(workspace.root / "hermpkg-out/app/app.pt") as importer:
                assert importer.load_pickle("m", "one.pkl") == value


def test_an_edit_of_code_takes_one_fork_of_a_process_that_has_torch(
    workspace: Workspace, runtime: str
) -> None:
    build = BUILD.replace('extern("packaging.**")', 'extern("torch.**")').replace(', "m/two.pkl": ":two"', "")
    workspace.build_file(build)
    workspace.write("app/__init__.py", "")
    text = "import torch\nclass Net(torch.nn.Linear): pass\ndef make(value): return Net(value, value)\n"
    workspace.write("app/factory.py", text)
    env = {"HERMPKG_WARM_PROCESS": "always", "XDG_RUNTIME_DIR": runtime}
    workspace.build("//app", env=env)
    (world,) = Path(runtime).glob("hermpkg/*.world")
    assert "torch" in json.loads(world.read_text())["roots"]
    workspace.write("app/factory.py", text.replace("(value, value)", "(value, 7)"))
    counts = counted(workspace, env)
    assert counts.pop("compared before") < 50, "of a thousand files that are compared while the factory runs"
    assert counts == {
        "asked": 1,
        "ready": 1,
        "told": 1,
        "engine imported before": False,
        "fresh": 0,
        "forked": 1,
        "started": 0,
        "begun": 1,
        "used": 1,
        "packing imported before": False,
        "packing imported": True,
    }
    workspace.write("app/factory.py", text.replace("(value, value)", "(value, 7)  # seven"))
    assert counted(workspace, env)["asked"] == 0, "for a comment nothing is made"
    workspace.write("app/factory.py", text.replace("(value, value)", "(value, 8)"))
    counts = counted(workspace, {**env, "HERMPKG_WARM_PROCESS": "never"})
    assert (counts["asked"], counts["forked"], counts["fresh"]) == (0, 0, 1)
    workspace.write("app/factory.py", text.replace("(value, value)", "(value, 9)"))
    counts = counted(workspace, env)
    assert (counts["asked"], counts["engine imported before"]) == (1, True), "it was switched off before"


def test_a_result_of_before_is_recalled_and_what_was_begun_is_no_more(app: Workspace, runtime: str) -> None:
    env = {"HERMPKG_WARM_PROCESS": "always", "XDG_RUNTIME_DIR": runtime}
    app.build_file(BUILD.replace(', "m/two.pkl": ":two"', ""))
    before = app.build("//app", env=env).target
    app.write("app/factory.py", FACTORY.replace("0.9", "2.0"))
    assert app.build("//app", env=env).target["sha256"] != before["sha256"]
    app.write("app/factory.py", FACTORY)
    counts = counted(app, env)
    assert (counts["asked"], counts["begun"], counts["used"], counts["fresh"]) == (1, 1, 0, 0)
    assert app.build("//app", env=env).target["sha256"] == before["sha256"]
    assert [path for path in app.cache.glob("tmp/*") if path.is_dir()] == []
    assert len(processes(runtime)) == 1


def test_a_factory_that_fails_is_told_of_as_without_a_warm_process(app: Workspace, runtime: str) -> None:
    env = {"HERMPKG_WARM_PROCESS": "always", "XDG_RUNTIME_DIR": runtime}
    app.build_file(BUILD.replace(', "m/two.pkl": ":two"', ""))
    app.build("//app", env=env)
    app.write("app/factory.py", FACTORY.replace("return Made(value)", "raise ValueError(value)"))
    told = [
        app.run("build", "//app", env={**env, "HERMPKG_WARM_PROCESS": warm}) for warm in ("always", "never")
    ]
    assert [each.code for each in told] == [told[0].code] * 2 != [0, 0]
    assert told[0].stderr == told[1].stderr
    assert "ValueError" in told[0].stderr


def counted(workspace: Workspace, env: dict[str, str]) -> dict[str, Any]:
    """What the command did."""
    done = subprocess.run(
        [sys.executable, "-c", COUNTED, "-q", "//app"],
        cwd=workspace.root,
        env=workspace.environment(**env),
        capture_output=True,
        text=True,
        check=True,
    )
    return dict(json.loads(done.stderr.splitlines()[-1]))


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
