"""Packages of modules are the same bytes whichever Python builds them, where that is pinned."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys

import pytest

from tests.matrix.interpreters import interpreter_of

SUPPORTED = ("3.10", "3.11", "3.12", "3.13")
REQUIREMENTS = ("packaging", "starlark-pyo3", "tomli")

BUILD = """
python_modules(name = "modules", srcs = glob(["**/*.py"]))

[
    model_package(
        name = name,
        modules = ["app.main"],
        resources = {"app/words.txt": ":words.txt"},
        sources = {"app.generated": "VALUE = 1\\n"},
        policy = [
            intern("app.**"),
            mock("wandb.**", allow_empty = True),
            deny("**"),
        ],
        python_version = version,
        deps = [":modules"],
    )
    for name, version in [("pinned", "3.11"), ("free", None)]
]
"""

MAIN = """
import asyncio
import dataclasses
import importlib.metadata
import json
import typing

import wandb

from app import generated, helpers
from app.space import inner

if typing.TYPE_CHECKING:
    import decimal
"""


@pytest.fixture(scope="module")
def pythons(tmp_path_factory, repository):
    """Interpreters by version, each with the environment in which it finds hermpkg and what that needs."""
    found = {f"{sys.version_info.major}.{sys.version_info.minor}": (sys.executable, "")}
    for version in SUPPORTED:
        path = interpreter_of(version)
        if path is None or version in found:
            continue
        folder = tmp_path_factory.mktemp(f"python{version}")
        install = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--no-compile"]
        install += ["--constraint", str(repository / "constraints.txt"), "--target", str(folder)]
        if subprocess.run([path, *install, *REQUIREMENTS], capture_output=True, check=False).returncode == 0:
            shutil.copytree(repository / "hermpkg_build", folder / "hermpkg_build")
            found[version] = (path, str(folder))
    if len(found) < 2:
        pytest.skip("there is no other Python, or nothing can be installed for it")
    return found


@pytest.fixture(scope="module")
def artifacts(pythons, make_workspace, tmp_path_factory):
    """The artifacts of both targets by (Python version, target)."""
    built = {}
    for version, (path, packages) in pythons.items():
        folder = tmp_path_factory.mktemp(f"build{version}")
        app = make_workspace(folder / "workspace", folder / "cache").write_app()
        app.build_file(BUILD)
        app.write("app/main.py", MAIN)
        app.write("app/space/inner.py", "from app import helpers\n")
        completed = subprocess.run(
            [path, "-m", "hermpkg_build", "--json", "//app:pinned", "//app:free"],
            cwd=app.root,
            env=app.environment(**({"PYTHONPATH": packages} if packages else {})),
            capture_output=True,
            text=True,
            check=False,
        )
        assert completed.returncode == 0, (version, completed.stderr)
        for target in json.loads(completed.stdout)["targets"]:
            built[version, target["label"]] = app.root / target["path"]
    return built


@pytest.mark.slow
def test_pinned_packages_are_identical(artifacts, pythons):
    pinned = {version: artifacts[version, "//app:pinned"].read_bytes() for version in pythons}
    assert len(set(pinned.values())) == 1, sorted(pinned)


@pytest.mark.slow
def test_others_differ_in_the_recorded_version_alone(artifacts, pythons, app):
    paths = [str(artifacts[version, "//app:free"]) for version in sorted(pythons)]
    for path in paths[1:]:
        value = app.run("diff", paths[0], path, "--json").json
        assert [fact["subject"] for fact in value["facts"]] == ["Python version"]
        assert value["records"] == []
