"""What of an environment is installed here: as the library for the form chooses, and what cannot be."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.toml_text import parse_toml
from hermpkg_build.environment.comparison import differences
from hermpkg_build.environment.locked import LockedDistribution, LockedFile, locked_environment, ordered_files
from hermpkg_build.environment.pylock import pylock_text
from hermpkg_build.environment.selection import needed_here, select

HASH = (f"sha256:{'1' * 64}",)
HERE = f"cp{sys.version_info[0]}{sys.version_info[1]}"
TAGS = (
    "py3-none-any",
    f"{HERE}-none-any",
    "cp27-cp27m-win32",
    f"{HERE}-{HERE}-manylinux1_x86_64",
    "py2-none-any",
)


def distribution(*files: str, name: str = "own", marker: str = "") -> LockedDistribution:
    locked = ordered_files(LockedFile(name=each, hashes=HASH) for each in files)
    return LockedDistribution(name=name, version="1", marker=marker, files=locked)


@given(st.sets(st.sampled_from(TAGS), min_size=1), st.booleans())
def test_the_same_file_is_chosen_as_by_the_library(tags: set[str], source: bool) -> None:
    pylock = pytest.importorskip("packaging.pylock")
    files = [f"own-1-{tag}.whl" for tag in tags] + (["own-1.tar.gz"] if source else [])
    environment = locked_environment([distribution(*files)])
    try:
        read = pylock.Pylock.from_dict(parse_toml(pylock_text(environment)))
        ((_, theirs),) = read.select()
        expected = theirs.filename
    except pylock.PylockSelectError:
        expected = ""
    selection = select(environment)
    ours = selection.wanted[0].file
    assert (ours.name if ours else "") == expected
    assert bool(selection.problems) == (expected == "")


def test_what_is_for_another_platform_is_told() -> None:
    ((what, why),) = select(locked_environment([distribution("own-1-cp27-cp27m-win32.whl")])).problems
    assert what == "own 1"
    assert "cp27-win32" in why


def test_markers_say_what_is_needed() -> None:
    nowhere = distribution("own-1-py3-none-any.whl", marker='sys_platform == "nowhere"')
    assert list(needed_here(locked_environment([nowhere]))) == []


def test_what_came_from_a_folder_can_only_come_from_wheels(tmp_path: Path) -> None:
    local = locked_environment([LockedDistribution(name="own", version="1.0", is_local=True)])
    assert "folder" in select(local).problems[0][1]
    assert "not in the folder" in select(local, folder=str(tmp_path)).problems[0][1]
    (tmp_path / "own-1-py3-none-any.whl").write_bytes(b"")
    assert select(local, folder=str(tmp_path)).problems == ()


class Installed:
    """Distributions by name."""

    def __init__(self, **versions: str) -> None:
        self.versions = versions

    def named(self, name: str):
        from hermpkg_build.analysis.distributions import Distribution

        version = self.versions.get(name)
        return None if version is None else Distribution(name=name, version=version, metadata="")


@pytest.mark.parametrize(
    ("installed", "requires", "expected"),
    [
        ({"own": "1"}, {}, []),
        ({"own": "1.0"}, {}, []),
        ({}, {}, [("", False)]),
        ({"own": "2"}, {}, [("2", False)]),
        ({"own": "2"}, {"own": ">=1"}, [("2", True)]),
        ({"own": "2"}, {"own": "<2"}, [("2", False)]),
        ({}, {"own": ">=1"}, [("", False)]),
    ],
)
def test_other_versions_differ_unless_they_are_allowed(installed, requires, expected) -> None:
    environment = locked_environment([distribution("own-1-py3-none-any.whl")])
    found = differences(environment, Installed(**installed), requires)
    assert [(each.installed, each.is_allowed) for each in found] == expected
