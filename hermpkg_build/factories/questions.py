"""Which paths that a factory reads or asks about can decide what it makes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator

from hermpkg_build.factories.places import Place, Places

_OURS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
_KERNEL_FOLDERS = ("/dev/", "/proc/", "/sys/")
_IN_MEMORY = "/dev/shm/"  # noqa: S108 -- nothing is made in it
"""An ordinary file system among the kernel's."""


def input_test(places: Places, scratch: str) -> Callable[[str], bool]:
    """A function that tells whether a path can be an input of a factory, which has the folder `scratch`."""
    left_out = (form(path) for path in (scratch, _OURS) for form in (str, os.path.realpath))
    others = tuple(os.path.join(folder, "") for folder in left_out)

    def is_input(path: str) -> bool:
        if path == sys.executable or f"{path}/".startswith(others):
            return False
        place = places.place_of(path)
        return place is not Place.STDLIB and (place is not Place.ELSEWHERE or not is_kernels(path))

    return is_input


def is_kernels(path: str) -> bool:
    """Whether a path is one by which the kernel tells of itself and of devices, and no file on a disk."""
    folder = f"{path}/"
    return folder.startswith(_KERNEL_FOLDERS) and not folder.startswith(_IN_MEMORY)


def question_test(places: Places, scratch: str) -> Callable[[str], bool]:
    """A function that tells whether a factory can depend on the answer to whether there is a path.

    It cannot where that follows from where the workspace, the interpreter and what is ours are.
    """
    own = {*_forms([sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix])}
    others = _forms([places.workspace_root, *places.search_path, scratch, os.getcwd(), _OURS])
    around = {folder for path in (*own, *others) for folder in _and_those_around(path)}
    prefixes = tuple(os.path.join(path, "") for path in own)

    def is_question(path: str) -> bool:
        folder = os.path.join(path, "")
        if folder in around:
            return False
        return places.place_of(path) is not Place.ELSEWHERE or not folder.startswith(prefixes)

    return is_question


def _forms(paths: Iterable[str]) -> Iterator[str]:
    """Each path as it is, and without links."""
    for path in paths:
        yield from (os.path.abspath(path), os.path.realpath(path))


def _and_those_around(folder: str) -> Iterator[str]:
    """A folder, and those that it lies in, each with a slash at its end."""
    while True:
        yield os.path.join(folder, "")
        parent = os.path.dirname(folder)
        if parent == folder:
            return
        folder = parent
