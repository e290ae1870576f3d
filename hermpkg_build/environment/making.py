"""Makes environments, each once: they are kept by the digest of what is in them, and shared.

An environment is made where it stays, for programs in it have its path written in them. What is unfinished
has no state, and is made anew by the next process that wants it; one at a time makes it. Whoever makes or
uses one holds a lock on its folder, so that nobody removes it meanwhile.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from hermpkg_build.disk.cache_tag import TAG, TAG_NAME
from hermpkg_build.disk.replacing import hold_folder, is_open_at
from hermpkg_build.disk.trust import check_private_folder
from hermpkg_build.environment.installers import Installer
from hermpkg_build.environment.kept import Environment, Recipe, kept_environment
from hermpkg_build.environment.locked import LockedDistribution
from hermpkg_build.environment.requirements_text import has_hash, requirements_lines
from hermpkg_build.environment.shared_files import share_files
from hermpkg_build.store.environments import (
    environments_place,
    finish,
    python_in,
    shared_files_place,
)
from hermpkg_build.store.failures import cache_errors


def make_environment(
    recipe: Recipe,
    directory: str,
    find_installer: Callable[[], Installer],
    *,
    wheels: str = "",
    shown: bool = False,
    waits: Callable[[], None] = lambda: None,
) -> Environment:
    """Make the environment of a recipe, unless another process makes it meanwhile; `waits` is told of that.

    `wheels` is a folder to install from, without an index. Raises LocalEnvironmentError where it cannot be
    made; nothing is left of it then.
    """
    place = environments_place(directory)
    folder = os.path.join(place, recipe.digest)
    with cache_errors(place):
        _prepare(place)
        with _alone(f"{folder}.lock", waits):
            while True:
                kept = kept_environment(recipe, directory)
                if kept is not None:
                    return kept
                _make(recipe, folder, find_installer(), wheels, shown=shown)


def _prepare(place: str) -> None:
    os.makedirs(place, mode=0o700, exist_ok=True)
    check_private_folder(place)
    tag = os.path.join(os.path.dirname(place), TAG_NAME)
    if not os.path.exists(tag):
        with open(tag, "wb") as file:
            file.write(TAG)


@contextmanager
def _alone(path: str, waits: Callable[[], None]) -> Iterator[None]:
    """A context that one process at a time is in, by a lock on a file that is gone at the end."""
    import fcntl

    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waits()
                fcntl.flock(descriptor, fcntl.LOCK_EX)
            if not is_open_at(descriptor, path):
                continue  # Who had it before has removed it.
            try:
                yield
            finally:
                os.unlink(path)
            return
        finally:
            os.close(descriptor)


def _make(recipe: Recipe, folder: str, installer: Installer, wheels: str, *, shown: bool) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    try:
        installer.make_environment(folder)
        held = hold_folder(folder)
        try:
            for name, lines, options in _steps(recipe, wheels):
                path = os.path.join(folder, name)
                with open(path, "w", encoding="utf-8") as file:
                    file.write("".join(f"{line}\n" for line in lines))
                installer.install(python_in(folder), path, options, shown=shown, folder=wheels)
            if installer.name == "pip":
                share_files(folder, shared_files_place(folder))
            finish(folder)
        finally:
            if held is not None:
                os.close(held)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def _steps(recipe: Recipe, wheels: str) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
    """Give what is installed together: the file, its lines, and options for the installer."""
    found = [_of_folder(each) if wheels else each for each in recipe.distributions]
    proven = [each for each in found if has_hash(each)]
    others = [each for each in found if not has_hash(each)]
    if proven:
        lines = requirements_lines(proven, hashes=True)
        yield "proven.txt", list(lines), ("--no-deps", "--require-hashes")
    if others:
        yield "versions.txt", list(requirements_lines(others, hashes=False)), ("--no-deps",)
    if recipe.ranges:
        yield "ranges.txt", recipe.ranges, ()


def _of_folder(each: LockedDistribution) -> LockedDistribution:
    """Return a distribution as one that a folder of wheels has, wherever else it comes from."""
    archive = each.archive
    return LockedDistribution(
        name=each.name,
        version=each.version,
        marker=each.marker,
        files=each.files,
        hashes=archive.hashes if archive is not None else each.hashes,
    )
