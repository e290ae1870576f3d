"""The folders of the standard library are those that a bare interpreter searches."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from hermpkg_build.disk.standard_library import standard_library


def test_a_bare_interpreter_searches_nothing_else() -> None:
    command = [sys.executable, "-I", "-S", "-c", "import sys; print(*sys.path, sep='\\n')"]
    searched = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(searched) >= 2
    assert set(searched) <= set(standard_library())


@pytest.mark.parametrize("module", ["os", "json", "_struct", "sysconfig"])
def test_its_modules_lie_there(module: str) -> None:
    file = getattr(__import__(module), "__file__", None)
    if file is None:
        pytest.skip("built into this interpreter")
    assert {str(folder) for folder in Path(file).parents} & set(standard_library())


def test_what_is_installed_lies_elsewhere() -> None:
    folders = standard_library()
    assert str(Path(pytest.__file__).parents[1]) not in folders
