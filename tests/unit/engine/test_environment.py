"""What a build takes for the state of the interpreter's environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.disk.standard_library import standard_library
from hermpkg_build.engine.environment import BuildEnvironment, current_environment


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


@given(
    st.lists(st.sampled_from(["/ws", "/ws/venv/lib", "/site", "/site/inner", "/", "/ws/"]), unique=True),
    st.lists(st.sampled_from(["ws", "site", "inner", "venv", "lib", "a.py", "", "..", "é"]), max_size=6),
)
def test_the_folder_decides_what_the_name_of_a_file_begins_with(
    search_path: list[str], words: list[str]
) -> None:
    environment = BuildEnvironment(
        python_version="3", platform="", search_path=tuple(search_path), workspace_root="/ws"
    )
    own = f"{standard_library()[0]}/os.py"
    for path in ("/".join(words), "/" + "/".join(words), own, f"/ws/{own}"):
        for _ in range(2):
            assert environment.name_of(path) == environment._name_in(path)
