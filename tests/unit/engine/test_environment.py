"""What a build takes for the state of the interpreter's environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.environment import current_environment


def installed(folder: Path) -> str:
    environment = current_environment((str(folder),), "")
    return environment.inputs(SourceTree())["installed distributions"]


@pytest.mark.parametrize("name", [".venv", ".git", ".pytest_cache", ".coverage"])
def test_what_cannot_be_imported_is_not_installed(tmp_path: Path, name: str) -> None:
    """An editable install puts a whole checkout on the search path."""
    (tmp_path / "net.py").touch()
    before = installed(tmp_path)
    (tmp_path / name).touch()
    assert installed(tmp_path) == before


@pytest.mark.parametrize("name", ["other.py", "other", "other-1.0.dist-info", "other.pth", "other.abi3.so"])
def test_what_may_be_imported_is_installed(tmp_path: Path, name: str) -> None:
    (tmp_path / "net.py").touch()
    before = installed(tmp_path)
    (tmp_path / name).touch()
    assert installed(tmp_path) != before
