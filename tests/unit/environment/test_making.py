"""Environments are made whole or not at all, also where there is no room for them."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest

from hermpkg_build.environment.installers import Installer, find_installer
from hermpkg_build.environment.kept import Recipe
from hermpkg_build.environment.locked import LockedDistribution
from hermpkg_build.environment.making import make_environment
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.store.environments import environments_place
from hermpkg_build.store.survey import survey_cache

INFO = "big_lib-1.dist-info"


@pytest.fixture
def wheels(tmp_path: Path) -> str:
    """A folder with a library of two mebibytes."""
    with zipfile.ZipFile(tmp_path / "big_lib-1-py3-none-any.whl", "w") as file:
        file.writestr("big_lib.bin", os.urandom(2 << 20))
        file.writestr(f"{INFO}/METADATA", "Metadata-Version: 2.1\nName: big-lib\nVersion: 1\n")
        file.writestr(
            f"{INFO}/WHEEL", "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(
            f"{INFO}/RECORD", f"big_lib.bin,,\n{INFO}/METADATA,,\n{INFO}/WHEEL,,\n{INFO}/RECORD,,\n"
        )
    return str(tmp_path)


RECIPE = Recipe(distributions=(LockedDistribution(name="big-lib", version="1"),))


def test_a_full_disk_is_told_and_leaves_nothing(wheels: str, small_disk: str) -> None:
    with pytest.raises(
        LocalEnvironmentError, match="the disk is full: the environment is not made"
    ) as caught:
        make_environment(RECIPE, small_disk, lambda: find_installer("pip"), wheels=wheels)
    assert "--cache-dir" in caught.value.next_step
    assert os.listdir(environments_place(small_disk)) == []
    assert survey_cache(small_disk).bytes == 0


def test_a_disk_that_is_full_before_anything_is_made(wheels: str, small_disk: str) -> None:
    place = Path(environments_place(small_disk))
    place.mkdir(parents=True, mode=0o700)
    (place.parent / "CACHEDIR.TAG").touch()
    with pytest.raises(OSError, match="No space left"), open(f"{small_disk}/filler", "wb") as filler:
        filler.write(bytes(2 << 20))
    with pytest.raises(LocalEnvironmentError, match=r"disk is full|no space left") as caught:
        make_environment(RECIPE, small_disk, lambda: find_installer("pip"), wheels=wheels)
    assert "--cache-dir" in caught.value.next_step
    assert os.listdir(place) == []


@pytest.mark.parametrize("said", ["OSError: [Errno 28] No space left on device", "os error 28"])
def test_an_installer_that_found_the_disk_full(said: str) -> None:
    installer = Installer(name="uv", words=("sh", "-c", f"echo '{said}' >&2; exit 2", "sh"))
    with pytest.raises(LocalEnvironmentError, match="the disk is full"):
        installer.install("python", "lines.txt", (), shown=False)
