"""Environments that are kept: their names, the files that they share, and what is left of them."""

from __future__ import annotations

import os
from pathlib import Path

from hermpkg_build.environment.kept import Recipe, kept_environment
from hermpkg_build.environment.locked import LockedDistribution, locked_environment
from hermpkg_build.environment.shared_files import share_files
from hermpkg_build.store.environments import environments_place, finish, shared_files_place
from hermpkg_build.store.pruning import prune_cache
from hermpkg_build.store.survey import survey_cache

ONE, TWO = (LockedDistribution(name=name, version="1") for name in ("one", "two"))


def made(directory: Path, recipe: Recipe, data: bytes = b"x" * 100_000) -> Path:
    folder = Path(environments_place(str(directory))) / recipe.digest
    (folder / "bin").mkdir(parents=True)
    (folder / "bin" / "python").symlink_to("/bin/sh")
    (folder / "lib").write_bytes(data)
    share_files(str(folder), shared_files_place(str(folder)))
    return folder


def test_the_same_lock_has_the_same_name() -> None:
    recipes = [
        Recipe(distributions=locked_environment(each).distributions) for each in ([ONE, TWO], [TWO, ONE])
    ]
    assert recipes[0].digest == recipes[1].digest
    assert recipes[0].digest != Recipe(distributions=(ONE,)).digest
    assert Recipe(ranges=("one",)).digest != Recipe().digest


def test_only_what_is_whole_is_used(tmp_path: Path) -> None:
    recipe = Recipe(distributions=(ONE,))
    folder = made(tmp_path, recipe)
    assert kept_environment(recipe, str(tmp_path)) is None
    finish(str(folder))
    found = kept_environment(recipe, str(tmp_path))
    assert found is not None
    os.close(found.descriptor)
    (folder / "bin" / "python").unlink()
    (folder / "bin" / "python").symlink_to("/nowhere/python")
    assert kept_environment(recipe, str(tmp_path)) is None


def test_equal_files_take_their_space_once_and_go_with_the_last(tmp_path: Path) -> None:
    first, second = Recipe(distributions=(ONE,)), Recipe(distributions=(TWO,))
    one, two = made(tmp_path, first), made(tmp_path, second)
    for each in (one, two):
        finish(str(each))
    assert (one / "lib").samefile(two / "lib")
    found = kept_environment(first, str(tmp_path))
    assert found is not None
    prune_cache(str(tmp_path), max_bytes=0)
    assert (one.exists(), two.exists()) == (True, False)
    os.close(found.descriptor)
    assert prune_cache(str(tmp_path), max_bytes=0).removed_entries == 1
    assert os.listdir(shared_files_place(str(one))) == []


def test_a_shared_file_that_a_program_has_written_into_is_not_given_to_others(tmp_path: Path) -> None:
    one = made(tmp_path, Recipe(distributions=(ONE,)))
    with open(one / "lib", "r+b") as file:
        file.write(b"edited")
    two = made(tmp_path, Recipe(distributions=(TWO,)))
    assert (two / "lib").read_bytes() == b"x" * 100_000


def test_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    recipes = [Recipe(distributions=(each,)) for each in (ONE, TWO)]
    folders = [made(tmp_path, recipe, bytes([number]) * 70_000) for number, recipe in enumerate(recipes)]
    for folder, used in zip(folders, (2_000, 1_000), strict=True):
        finish(str(folder))
        os.utime(folder / "hermpkg-environment.json", (used, used))
    size = survey_cache(str(tmp_path)).bytes
    prune_cache(str(tmp_path), max_bytes=size - 1)
    assert [folder.exists() for folder in folders] == [True, False]


def test_what_was_never_finished_goes_too(tmp_path: Path) -> None:
    folder = made(tmp_path, Recipe())
    assert survey_cache(str(tmp_path)).bytes > 0
    prune_cache(str(tmp_path), max_bytes=0)
    assert not folder.exists()
