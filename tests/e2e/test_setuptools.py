"""The setuptools command with the real tools: setup.py, pip and build make wheels that ship artifacts."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest


class Project:
    """A copy of the example, and tools run in it."""

    def __init__(self, workspace) -> None:
        self.workspace = workspace
        self.root = workspace.root

    def run(self, *words: str, code: int = 0, **env: str) -> str:
        """Run Python with `words`; all that it prints."""
        completed = subprocess.run(
            [sys.executable, *words],
            cwd=self.root,
            env=self.workspace.environment(SOURCE_DATE_EPOCH="1700000000", **env),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert completed.returncode == code, completed.stdout
        return completed.stdout

    def wheel(self, **env: str) -> Path:
        """The wheel that pip builds."""
        self.run("-m", "pip", "wheel", "-q", "--no-build-isolation", "--no-deps", "-w", "out", ".", **env)
        (wheel,) = (self.root / "out").glob("*.whl")
        return wheel


@pytest.fixture
def make_project(make_workspace, repository, tmp_path):
    """Copy the example to a folder of some name."""

    def make(name: str = "project") -> Project:
        root = tmp_path / name / "setuptools"
        ignored = shutil.ignore_patterns("hermpkg-out", "build", "dist", "*.egg-info", "*.pt", "__pycache__")
        shutil.copytree(repository / "examples/setuptools", root, ignore=ignored)
        return Project(make_workspace(root, tmp_path / name / "cache"))

    return make


def test_into_a_folder(make_project):
    project = make_project()
    words = ("--targets", "//training:greeter", "--output-dir", "dist/models", "--verify", "--rebuild")
    output = project.run("setup.py", "package_model", *words)
    assert "//training:greeter -> dist/models/greeter.pt" in output
    artifact = project.root / "dist/models/greeter.pt"
    assert artifact.stat().st_mode & 0o777 == 0o644
    assert project.workspace.run("verify", str(artifact)).code == 0


def test_wheels_are_reproducible(make_project):
    a = make_project("here").wheel(PYTHONHASHSEED="1", TZ="UTC")
    b = make_project("some where else").wheel(PYTHONHASHSEED="2", TZ="Asia/Tokyo")
    assert a.name == b.name
    assert a.read_bytes() == b.read_bytes()
    with zipfile.ZipFile(a) as wheel:
        assert "acme/artifacts/greeter.pt" in wheel.namelist()
        assert not [name for name in wheel.namelist() if name.startswith("training")]


def test_build_makes_the_wheel_from_the_source_distribution(make_project, tmp_path):
    project = make_project()
    project.run("-m", "build", "--no-isolation", "-o", "out")
    (source,) = (project.root / "out").glob("*.tar.gz")
    with tarfile.open(source) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    assert {"training/BUILD", "training/__init__.py", "training/greeter.py", "pyproject.toml"} <= names
    (wheel,) = (project.root / "out").glob("*.whl")
    assert wheel.read_bytes() == make_project("by pip").wheel().read_bytes()
    installed = tmp_path / "installed"
    project.run("-m", "pip", "install", "-q", "--no-deps", "--target", str(installed), str(wheel))
    program = "import acme; print(acme.load_model()('fr', 'Ada'))"
    completed = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=project.workspace.environment(PYTHONPATH=str(installed)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert completed.stdout == "Bonjour, Ada!\n", completed.stderr


def test_options_in_setup_cfg(make_project):
    project = make_project()
    text = (project.root / "pyproject.toml").read_text()
    (project.root / "pyproject.toml").write_text(text.partition("[tool.hermpkg.setuptools]")[0])
    options = "[package_model]\ntargets = //training:greeter\npackage = acme.artifacts\n"
    (project.root / "setup.cfg").write_text(options)
    project.run("setup.py", "-q", "build")
    assert (project.root / "build/lib/acme/artifacts/greeter.pt").is_file()


def test_projects_that_ask_for_nothing_get_nothing(make_project):
    project = make_project()
    text = (project.root / "pyproject.toml").read_text()
    (project.root / "pyproject.toml").write_text(text.partition("[tool.hermpkg]")[0])
    project.run("setup.py", "-q", "build")
    assert not (project.root / "build/lib/acme/artifacts/greeter.pt").exists()
    assert "needs targets" in project.run("setup.py", "package_model", code=1)


def test_editable_installations_have_the_artifact_in_the_source_tree(make_project):
    project = make_project()
    os.mkdir(project.root / "out")
    project.run("-c", "from setuptools.build_meta import build_editable as build; build('out')")
    assert (project.root / "acme/artifacts/greeter.pt").is_file()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--targets", "//training:gretel"), "did you mean"),
        (("--targets", "//training:modules"), "no model_package"),
    ],
)
def test_what_cannot_be_built(make_project, words, text):
    assert text in make_project().run("setup.py", "package_model", *words, code=1)


def test_a_model_that_is_not_reproducible(make_project):
    project = make_project()
    code = (project.root / "training/greeter.py").read_text()
    (project.root / "training/greeter.py").write_text(
        code.replace("return Greeter(", "return Greeter({'id': id(languages)} | ")
    )
    output = project.run("setup.py", "package_model", "--rebuild", code=1)
    assert "hermpkg verify failed: //training:greeter" in output
