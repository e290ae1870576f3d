"""Finds the shared libraries that this process has loaded by their paths."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress

from hermpkg_build.analysis.native_libraries import is_library
from hermpkg_build.factories.loaded_modules import attribute_of

_MAPPED = "/proc/self/maps"


def loaded_libraries(folders: Iterable[str]) -> frozenset[str]:
    """The loaded libraries in `folders` that no import statement has loaded, relative to these, with `/`."""
    modules = {attribute_of(module, "__file__") for module in sys.modules.copy().values()}
    paths = {path for path in _paths() if is_library(path)} - modules
    places = {place for folder in folders for place in (folder, os.path.realpath(folder))}
    starts = [os.path.join(place, "") for place in places]
    return frozenset(
        path.removeprefix(start).replace(os.sep, "/")
        for start in starts
        for path in paths
        if path.startswith(start)
    )


def _paths() -> Iterator[str]:
    """The paths that torch was told to load, and on Linux all that are mapped, by whatever way."""
    yield from getattr(getattr(sys.modules.get("torch"), "ops", None), "loaded_libraries", ())
    with suppress(OSError), open(_MAPPED, "rb") as file:
        for line in file:
            _, slash, path = line.rstrip(b"\n").partition(b"/")
            if slash:
                yield os.fsdecode(slash + path)
