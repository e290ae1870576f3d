"""What type checkers see of the public names. mypy reads `public_uses.py` together with the package."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import hermpkg_build

HERE = Path(__file__).parent
REPOSITORY = HERE.parents[1]
_UNAVAILABLE = 69

MODULES = ("serving", "integrations.ray", "integrations.mlflow")
"""The other modules with names for users."""


def pyright(*words: str, path: Path = REPOSITORY) -> subprocess.CompletedProcess[str]:
    """Run pyright where the modules below `path` and of the checkout are found as installed ones are."""
    environ = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": os.pathsep.join(dict.fromkeys([str(path), str(REPOSITORY)])),
    }
    ran = subprocess.run(
        ["sh", str(HERE / "pyright.sh"), *words],
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == _UNAVAILABLE:
        pytest.skip(ran.stderr.strip().splitlines()[-1])
    return ran


def unknown_types(package: str, *options: str, path: Path = REPOSITORY) -> tuple[set[str], int]:
    """Our symbols that a package leads to: those whose types are not known, and how many there are in all."""
    ran = pyright("--verifytypes", package, "--outputjson", *options, path=path)
    symbols: list[dict[str, Any]] = json.loads(ran.stdout)["typeCompleteness"]["symbols"]
    ours = [symbol for symbol in symbols if symbol["name"].startswith(f"{hermpkg_build.__name__}.")]
    return {symbol["name"] for symbol in ours if not symbol["isTypeKnown"]}, len(ours)


def test_strict_pyright_takes_what_is_right_and_refuses_what_is_wrong() -> None:
    ran = pyright("--project", str(HERE / "pyrightconfig.json"))
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_the_types_of_all_public_names_are_known(tmp_path: Path) -> None:
    face = tmp_path / "face"
    face.mkdir()
    (face / "py.typed").touch()
    lines = [f"from hermpkg_build import {name} as {name}" for name in hermpkg_build.__all__]
    lines += [f"import hermpkg_build.{name} as {name.replace('.', '_')}" for name in MODULES]
    (face / "__init__.py").write_text("\n".join([*lines, ""]))
    not_known, count = unknown_types("face", path=tmp_path)
    assert not_known == set()
    assert count > len(hermpkg_build.__all__)


@pytest.mark.thorough
def test_the_types_of_all_names_are_known() -> None:
    not_known, _ = unknown_types(hermpkg_build.__name__, "--ignoreexternal")
    # A class of hatchling's is known where that is installed.
    hook = "hermpkg_build.wheels.hatch." if find_spec("hatchling") is None else "-"
    assert {name for name in not_known if not name.startswith(hook)} == set()


def test_an_editable_install_is_a_path_that_type_checkers_follow(tmp_path: Path) -> None:
    project, wheels = tmp_path / "check out", tmp_path / "wheels"
    package = project / "hermpkg_build"
    package.mkdir(parents=True)
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, project / name)
    for name in ("__init__.py", "version.py", "py.typed", "runtime/distribution/dependencies.txt"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / "hermpkg_build" / name, package / name)
    call = "import setuptools.build_meta as backend, sys; print(backend.build_editable(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-I", "-c", call, str(wheels)],
        cwd=project,
        capture_output=True,
        text=True,
        check=True,
    )
    with zipfile.ZipFile(wheels / built.stdout.splitlines()[-1]) as wheel:
        files = {name: wheel.read(name).decode() for name in wheel.namelist() if ".dist-info/" not in name}
    assert [text.strip() for text in files.values()] == [str(project)]
    assert all(name.endswith(".pth") for name in files)
