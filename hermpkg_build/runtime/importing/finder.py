"""The one finder in ``sys.meta_path`` for mangled names, which opens and closes module spaces.

Nothing here keeps a space alive.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from types import ModuleType

from hermpkg_build.runtime.importing import torch_tables
from hermpkg_build.runtime.importing.parking import park, unpark
from hermpkg_build.runtime.importing.space import CLOSED_ARTIFACTS, OPEN_SPACES, ModuleSpace
from hermpkg_build.runtime.importing.typing_tables import empty_caches, take_overloads
from hermpkg_build.runtime.mangling import demangle, mangle_prefix

_STANDARD_FINDERS = (BuiltinImporter, FrozenImporter, PathFinder)

_modules_at_last_sweep: dict[str, int] = {}
"""How many modules a space had, by its prefix, when typing's caches were last emptied."""
_unreachable: dict[str, str] = {}
"""Why artifacts that other processes have sent objects of cannot be opened here, by prefix."""


class _MangledFinder:
    """Finds modules by mangled name; knows no other."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("<torch_package_"):
            if fullname in torch_tables.TORCH_ARRIVALS:
                _meet_torch()
            return None
        prefix = mangle_prefix(fullname)
        owner = OPEN_SPACES.get(prefix)
        if owner is None and prefix in _unreachable:
            text = f"the artifact of {fullname} is not open in this process: {_unreachable[prefix]}"
            raise ModuleNotFoundError(text, name=fullname)
        return owner.loader.find_spec(fullname) if owner is not None else None


_finder = _MangledFinder()


def open_space(space: ModuleSpace) -> weakref.finalize[[str, set[str], str], ModuleSpace]:
    """Serve the modules of `space` until it is freed, or until the returned finalizer is called.

    The finder stands first in ``sys.meta_path`` because the others would look for the mangled
    names on disk; it is there as long as it has something to find.
    """
    OPEN_SPACES[space.prefix] = space
    _install_finder()
    if _around_collection not in gc.callbacks:
        gc.callbacks.append(_around_collection)
    torch_tables.introduce_importers()
    finalizer = weakref.finalize(space, _close, space.prefix, space.registered, space.archive.name)
    finalizer.atexit = False
    return finalizer


def is_known_to_others(mangled: str) -> bool:
    """Whether a finder of packaged code, which is none of Python's, finds the module."""
    for other in list(sys.meta_path):
        if other is not _finder and other not in _STANDARD_FINDERS and hasattr(other, "find_spec"):
            try:
                # No folder to look in: none is to find a file.
                if other.find_spec(mangled, []) is not None:
                    return True
            except Exception:  # noqa: BLE001, S112 -- it may be anyone's, and made for other names
                continue
    return False


def note_unreachable(prefix: str, reason: str) -> None:
    """Have imports of modules with this prefix, which nothing here serves, say why that is."""
    if prefix not in OPEN_SPACES:
        _unreachable[prefix] = reason
        _install_finder()


def _install_finder() -> None:
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def _meet_torch() -> None:
    torch_tables.introduce_importers()
    for space in list(OPEN_SPACES.values()):
        torch_tables.show_modules(space.registered)


def _close(prefix: str, names: set[str], artifact: str) -> None:
    """Take everything that belongs to a space out of the interpreter's global tables."""
    OPEN_SPACES.pop(prefix, None)
    for name in list(names):
        sys.modules.pop(name, None)
        CLOSED_ARTIFACTS[demangle(name)] = artifact
    if _modules_at_last_sweep.pop(prefix, 0) != len(names):
        empty_caches()
    take_overloads(names)
    names.clear()
    linecache = sys.modules.get("linecache")
    if linecache is not None:
        start = f"{prefix}."
        for filename in [name for name in list(linecache.cache) if name.startswith(start)]:
            linecache.cache.pop(filename, None)
    if not OPEN_SPACES:
        if _finder in sys.meta_path and not _unreachable:
            sys.meta_path.remove(_finder)
        if _around_collection in gc.callbacks:
            gc.callbacks.remove(_around_collection)


def _around_collection(phase: str, info: dict[str, int]) -> None:
    if info["generation"] == 2:
        if phase == "start":
            _sweep_typing_caches()
        for space in list(OPEN_SPACES.values()):
            (park if phase == "start" else unpark)(space)


def _sweep_typing_caches() -> None:
    """Empty typing's caches where packaged modules have run since that was last done."""
    modules = {space.prefix: len(space.registered) for space in list(OPEN_SPACES.values())}
    if any(_modules_at_last_sweep.get(prefix) != count for prefix, count in modules.items()):
        _modules_at_last_sweep.update(modules)
        empty_caches()
