"""Libraries of the system's own folders stand for the platform, and all others are inputs."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from hermpkg_build.factories import loaded_libraries
from hermpkg_build.factories.loaded_libraries import with_libraries
from hermpkg_build.factories.places import Places
from hermpkg_build.factories.request import ObservedFiles

OURS = [
    "/libs/liba.so",
    "/library/libb.so",
    "/usr/libraries/libc.so",
    "/usr/local/lib/libd.so",
    "/opt/lib/libe.so",
]
SYSTEMS = [
    "/lib/x86_64-linux-gnu/libf.so",
    "/lib64/libg.so",
    "/usr/lib/libh.so",
    "/usr/lib32/i.so",
    "/usr/libexec/libj.so",
]


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(workspace_root=str(tmp_path / "workspace"), search_path=[str(tmp_path / "site-packages")])


def test_a_folder_whose_name_begins_like_the_systems_is_not_the_systems(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loaded_libraries, "loaded_libraries", lambda: [*OURS, *SYSTEMS])
    folders = ["/libs", "/usr/lib", "/lib64", "/usr/libraries/", "relative"]
    monkeypatch.setenv("LD_LIBRARY_PATH", os.pathsep.join(folders))
    seen = with_libraries(ObservedFiles(), places, str(tmp_path / "scratch"))
    assert seen.read == tuple(sorted(OURS))
    assert seen.listed == ("/libs", "/usr/libraries/")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not tell")
def test_what_the_loader_has_opened_is_told(tmp_path: Path) -> None:
    loaded = loaded_libraries.loaded_libraries()
    assert any(os.path.basename(path).startswith("libc.so") for path in loaded)
    assert all(os.path.isfile(path) for path in loaded)
