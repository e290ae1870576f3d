"""What is forked does what the same process does that is started."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from hermpkg_build import PackageImporter
from tests.commands import run_command
from tests.forks import processes
from tests.forks.processes import CommandPopen, without_starting

pytestmark = pytest.mark.skipif(not hasattr(os, "pidfd_open"), reason="forks are for Linux")

BUILD = """
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model", "model_package", "python_modules")
python_modules(name = "modules", srcs = glob(["*.py"]))
model(name = "net", factory = "app.net:make", deps = [":modules"])
model_package(
    name = "app",
    models = {"net/net.pkl": ":net"},
    policy = [intern("app.**"), deny("**")],
    deps = [":modules"],
)
"""
NET = """
import os, sys

class Net:
    def __init__(self, told):
        self.told = told

def make():
    names = sorted(set(os.environ) - {"LC_CTYPE"})
    return Net([names, str(sys.flags), sys.argv, hash("a"), os.umask(0), os.listdir()])
"""
COMMAND = [sys.executable, "-m", "hermpkg_build"]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    root = tmp_path / "größe und maß"
    (root / "app").mkdir(parents=True)
    (root / "pyproject.toml").write_text("[tool.hermpkg]\n")
    (root / "app" / "BUILD").write_text(BUILD)
    (root / "app" / "net.py").write_text(NET)
    return root


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in ("PYTHONUNBUFFERED", "TMPDIR")}
    return {**without_starting(kept), "HERMPKG_CACHE_DIR": str(tmp_path / "cache"), "HOME": str(tmp_path)}


@pytest.mark.parametrize(
    "words",
    [
        ("--version",),
        ("build", "//app"),
        ("--json", "build", "//app:app", "--explain"),
        ("query", "deps(//app)"),
        ("build", "//nothing"),
        ("quary", "//..."),
        ("query", "(("),
        ("-C", "nowhere", "build", "//app"),
    ],
)
def test_it_gives_what_a_started_one_gives(workspace, env, words) -> None:
    one, another = with_caches(env)
    forked = run_command(words, cwd=workspace, env=one)
    made = [path.read_bytes() for path in (workspace / "hermpkg-out").rglob("*.pt")]
    for path in (workspace / "hermpkg-out").rglob("*.pt"):
        path.unlink()
    started = subprocess.run(
        [*COMMAND, *words], cwd=workspace, env=another, capture_output=True, encoding="utf-8", check=False
    )
    assert (forked.returncode, told(forked.stdout), forked.stderr) == (
        started.returncode,
        told(started.stdout),
        started.stderr,
    )
    assert made == [path.read_bytes() for path in (workspace / "hermpkg-out").rglob("*.pt")]
    # The second one finds in the workspace what BUILD files come to.
    results = recorded(another)
    assert {path: recorded(one)[path] for path in results} == results
    assert bool(made) == ("//app" in " ".join(words[1:]) and words[0] in ("build", "--json"))


def with_caches(env: dict[str, str]) -> tuple[dict[str, str], dict[str, str]]:
    """Variables for two processes, each with a cache of its own."""
    cache = env["HERMPKG_CACHE_DIR"]
    one, another = ({**env, "HERMPKG_CACHE_DIR": f"{cache} of {which}"} for which in ("one", "another"))
    return one, another


def recorded(env: dict[str, str]) -> dict[str, bytes]:
    """The results in the cache: what each action has read, and what imported what, among them."""
    cache = Path(env["HERMPKG_CACHE_DIR"])
    files = (path for path in cache.glob("*/ac/**/*") if path.is_file())
    return {str(path.relative_to(cache)): path.read_bytes() for path in files}


def told(text: str) -> object:
    """What a command said, without how long that took, and what it found there."""
    return [each["sha256"] for each in json.loads(text)["targets"]] if text.startswith("{") else text


def test_what_a_test_sees_of_its_end(workspace, env) -> None:
    """It can be waited for, asked whether it has ended, and ended."""
    with CommandPopen([*COMMAND, "watch", "//app"], cwd=workspace, env=env) as process:
        assert process.is_forked
        assert process.poll() is None
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.01)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
        assert process.poll() == -signal.SIGKILL


@pytest.mark.parametrize(
    ("name", "variables"), [("json.py", {}), ("hermpkg_build", {}), ("app.py", {"PYTHONHASHSEED": "3"})]
)
def test_where_it_would_begin_otherwise_it_is_started(workspace, env, name, variables) -> None:
    (workspace / name).touch()
    with CommandPopen(
        [*COMMAND, "--version"], cwd=workspace, env={**env, **variables}, stdout=subprocess.DEVNULL
    ) as process:
        assert not process.is_forked
    (workspace / name).unlink()
    with CommandPopen([*COMMAND, "--version"], cwd=workspace, env=env, stdout=subprocess.DEVNULL) as process:
        assert process.is_forked


def test_nothing_is_left_of_one_command_in_the_next(workspace, env) -> None:
    first = run_command(["--json", "version"], cwd=workspace, env={**env, "NO_COLOR": "1", "XDG_X": "1"})
    assert first.returncode == 0
    mask = os.umask(0o027)
    try:
        assert run_command(["build", "//app", "--out", "a.pt"], cwd=workspace, env=env).returncode == 0
        (workspace / "plain").touch()
    finally:
        os.umask(mask)
    assert run_command(["build", "//app", "--out", "b.pt"], cwd=workspace, env=env).returncode == 0
    assert (workspace / "a.pt").read_bytes() == (workspace / "b.pt").read_bytes()


RULES = 'extern("torch.**", allow_empty = True), intern("app.**", allow_empty = True)'
TORCH = BUILD.replace('"deny"', '"deny", "extern"').replace('intern("app.**")', RULES)
WITH_TORCH = """
import os, random, sys
import torch

def make():
    names = sorted(set(os.environ) - {"LC_CTYPE"})
    told = [names, str(sys.flags), sys.argv, hash("a"), os.umask(0), os.listdir(), random.random()]
    modules = [name for name in sys.modules if name.split(".")[0] in ("torch", "sympy", "packaging")]
    return [told, modules, torch.get_num_threads(), torch.rand(3), torch.nn.Linear(2, 2)]
"""
FAILS = """
import torch

def make():
    open("left", "x").close()
    print("said once")
    raise ValueError(torch.ones(1))
"""
IS_FORKED = """
import os
import torch

def make():
    return os.getppid()
"""


@pytest.mark.parametrize("net", [WITH_TORCH, FAILS, FAILS.replace("import torch", "from torch import x")])
def test_a_factory_with_torch_gives_what_it_gives_in_a_process_of_its_own(workspace, env, net) -> None:
    pytest.importorskip("torch")
    (workspace / "app" / "BUILD").write_text(TORCH)
    (workspace / "app" / "net.py").write_text(net)
    words = ["build", "//app", "--out"]
    one, another = with_caches(env)
    forked = run_command([*words, "forked.pt"], cwd=workspace, env=one)
    started = subprocess.run(
        [*COMMAND, *words, "started.pt"],
        cwd=workspace,
        env=another,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert forked.returncode == started.returncode == (net != WITH_TORCH)
    assert errors(forked.stderr) == errors(started.stderr)
    assert forked.stderr.count("said once") == (net == FAILS)
    assert [path.read_bytes() for path in workspace.glob("forked.pt")] == [
        path.read_bytes() for path in workspace.glob("started.pt")
    ]


def errors(text: str) -> list[str]:
    """The lines of an error, without those that say what a build that takes long does."""
    return [line for line in text.splitlines() if not line.startswith("[")]


def test_a_factory_with_torch_is_forked_from_the_process_that_all_have_in_common(workspace, env) -> None:
    pytest.importorskip("torch")
    (workspace / "app" / "BUILD").write_text(TORCH)
    (workspace / "app" / "net.py").write_text(IS_FORKED)
    assert run_command(["build", "//app", "--out", "a.pt"], cwd=workspace, env=env).returncode == 0
    parent = PackageImporter(workspace / "a.pt").load_pickle("net", "net.pkl")
    assert parent == processes.workers_with_torch().number


OWN_TEST = """
import os, sys
from hermpkg_build import PackageImporter

print(sys.flags, sys.argv[1:], sorted(os.environ), os.listdir(), sys.path)
print([name for name in sys.modules if name.partition(".")[0] in ("packaging", "torch", "numpy")])
assert PackageImporter(sys.argv[1]).load_pickle("net", "net.pkl")
import app.net
"""


def test_a_package_test_is_forked_and_says_what_it_says_in_a_process_of_its_own(workspace, env) -> None:
    rule = 'package_test(name = "own_test", package = ":app", main = "own_test.py", args = ["x"])\n'
    build = BUILD.replace('"*.py"]', '"*.py"], exclude = ["own_test.py"]')
    (workspace / "app" / "BUILD").write_text(build.replace('"deny"', '"deny", "package_test"') + rule)
    (workspace / "app" / "own_test.py").write_text(OWN_TEST)
    one, another = with_caches(env)
    words = ["test", "//app:own_test"]
    forked = run_command(words, cwd=workspace, env=one)
    started = subprocess.run(
        [*COMMAND, *words], cwd=workspace, env=another, capture_output=True, encoding="utf-8", check=False
    )
    assert forked.returncode == started.returncode == 3
    assert "No module named" in forked.stdout + forked.stderr
    for left, right in ((forked.stdout, started.stdout), (forked.stderr, started.stderr)):
        assert re.sub(r"[\d.]+ s\b", "", left) == re.sub(r"[\d.]+ s\b", "", right)
    (workspace / "app" / "own_test.py").write_text('import sys\nassert sys.orig_argv[-1].startswith("{")\n')
    assert run_command(words, cwd=workspace, env=one).returncode == 0
