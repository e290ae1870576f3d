"""Workers: processes that stay, under a real Bazel. They change how long a build takes, and nothing else."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
JSON_WORKERS = "--experimental_worker_allow_json_protocol"
BUILD = """
load("@hermpkg//rules:defs.bzl", "deny", "intern", "model_package", "python_modules")

python_modules(name = "modules", srcs = glob(["*.py"]))

model_package(
    name = "app",
    modules = ["app.main"],
    policy = [intern(["app.**", "added.**"], allow_empty = True), deny("**")],
    deps = [":modules"],
)
"""
APP = "app/app.pt"


def built(workspace: Any, *words: str) -> str:
    workspace.build("//app", JSON_WORKERS, *words)
    return hashlib.sha256(workspace.output(APP).read_bytes()).hexdigest()


def workers(folder: Path, action: str) -> list[int]:
    """The workers for an action that work below `folder`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                place = os.readlink(entry / "cwd")
            except OSError:
                continue
            if b"--persistent_worker" in command and action.encode() in command and str(folder) in place:
                found.append(int(entry.name))
    return found


@pytest.fixture
def app(lonely_workspace: Any, tmp_path: Path) -> Any:
    if not Path("/proc/self/cmdline").exists():
        pytest.skip("processes are found through /proc")
    workspace = lonely_workspace  # With workers of its own, too.
    workspace.declare(workers=True)
    # A worker is started anew when a file of the tool changes, so this is a copy that nobody works on.
    for folder in ("hermpkg_build", "rules"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / folder, tmp_path / "hermpkg" / folder, ignore=ignored)
    (tmp_path / "hermpkg" / "WORKSPACE").touch()
    declared = (workspace.root / "WORKSPACE").read_text()
    workspace.write({"WORKSPACE": declared.replace(str(REPOSITORY) + '"', str(tmp_path / "hermpkg") + '"')})
    workspace.write({"app/BUILD": BUILD, "app/main.py": "from app import parts\n", "app/parts.py": "A = 1\n"})
    return workspace


@pytest.fixture
def base(app: Any) -> Path:
    """Where the server of `app` has all that it makes, and its workers work."""
    return Path(app.bazel("info", "output_base").stdout.strip())


def test_workers_make_what_sandboxes_make(app: Any, base: Path) -> None:
    digests = []
    for strategy in ("worker", "sandboxed", "local"):
        # What compiles hermpkg is no worker.
        asked = (f"--spawn_strategy={strategy}", "--strategy=HermpkgTool=sandboxed")
        (app.root / "app/parts.py").write_text(f"B = 1  # {strategy}\n")
        built(app, *asked)
        (app.root / "app/parts.py").write_text("A = 1\n")
        digests.append(built(app, *asked))
    assert len(set(digests)) == 1
    assert workers(base, "assemble")
    assert workers(base, "analyse")


def test_a_worker_that_died_is_replaced(app: Any, base: Path) -> None:
    before = built(app)
    doomed = [*workers(base, "analyse"), *workers(base, "assemble")]
    assert len(doomed) >= 2
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    (app.root / "app/parts.py").write_text("A = 2\n")
    assert built(app) != before
    (app.root / "app/parts.py").write_text("A = 1\n")
    assert built(app) == before


def test_an_error_in_a_request_does_not_end_the_worker(app: Any, base: Path) -> None:
    before = built(app)
    (pid,) = workers(base, "assemble")
    (app.root / "app/parts.py").write_text("import hypothesis\n")
    outcome = app.bazel("build", "//app", JSON_WORKERS)
    assert outcome.code == 1
    assert "app/parts.py:1" in outcome.said
    (app.root / "app/parts.py").write_text("A = 1\n")
    assert built(app) == before
    assert workers(base, "assemble") == [pid]


@pytest.mark.thorough
def test_what_is_installed_later_is_found_by_workers_too(app: Any, tmp_path: Path) -> None:
    """The folder of an editable install is on the search path of processes that start after it only."""
    folder = tmp_path / "environment"
    venv.create(folder, symlinks=True)
    python = folder / "bin" / "python"
    (site,) = folder.glob("lib/python*/site-packages")
    # What hermpkg itself depends on.
    (site / "tests.pth").write_text(f"{sysconfig.get_paths()['purelib']}\n")
    app.write({"WORKSPACE": (app.root / "WORKSPACE").read_text().replace(sys.executable, str(python))})
    before = built(app)
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree" / "added.py").write_text("import json\n")
    (site / "added.pth").write_text(f"{tmp_path / 'tree'}\n")
    (app.root / "app/parts.py").write_text("import added\n")
    stale = app.bazel("build", "//app", JSON_WORKERS)
    assert stale.code == 1
    assert "bazel sync --configure" in stale.said
    assert app.bazel("sync", "--configure").code == 0
    assert built(app) != before
    listed = subprocess.run(
        [str(python), "-m", "zipfile", "--list", str(app.output(APP))],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "added.py" in listed.stdout
