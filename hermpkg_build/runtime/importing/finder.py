"""The finder in ``sys.meta_path`` for mangled names; it opens and closes module spaces.

Nothing here keeps a space alive.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from types import ModuleType

from hermpkg_build.printable import one_line
from hermpkg_build.runtime.importing import host_tables, torch_saving
from hermpkg_build.runtime.importing.host_tables import empty_caches, take_overloads
from hermpkg_build.runtime.importing.parking import park, unpark
from hermpkg_build.runtime.importing.space import CLOSED_ARTIFACTS, OPEN_SPACES, ModuleSpace
from hermpkg_build.runtime.mangling import demangle, is_of_another_process, mangle_prefix

_NOT_OPEN = "open it first, or pickle its objects with protocol 4 or later, which says where it lies"
_STANDARD_FINDERS = (BuiltinImporter, FrozenImporter, PathFinder)

_modules_at_last_sweep: dict[str, int] = {}
"""How many modules a space had when typing's caches were last emptied, by prefix."""
_unreachable: dict[str, str] = {}
"""Why an artifact, of which another process has sent objects, cannot be opened here, by prefix."""


class _MangledFinder:
    """Finds modules by mangled names only."""

    def find_spec(
        self, fullname: str, _path: Sequence[str] | None = None, _target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if not fullname.startswith("<torch_package_"):
            if fullname in host_tables.TORCH_ARRIVALS:
                _introduce_to_torch()
            return None
        prefix = mangle_prefix(fullname)
        owner = OPEN_SPACES.get(prefix)
        if owner is None and (prefix in _unreachable or is_of_another_process(prefix)):
            reason = _unreachable.get(prefix, _NOT_OPEN)
            text = f"the artifact of {fullname} is not open in this process: {reason}"
            raise ModuleNotFoundError(one_line(text), name=fullname)
        return owner.loader.find_spec(fullname) if owner is not None else None


_finder = _MangledFinder()


def open_space(space: ModuleSpace) -> weakref.finalize[[str, set[str], str], ModuleSpace]:
    """Let the modules of `space` be found until it is freed, or until the returned finalizer is called.

    The finder is the first in ``sys.meta_path``, because others would look for mangled names on disk;
    it is there as long as it has something to find.
    """
    OPEN_SPACES[space.prefix] = space
    _install_finder()
    if _around_collection not in gc.callbacks:
        gc.callbacks.append(_around_collection)
    host_tables.introduce_importers()
    torch_saving.carry_artifacts()
    finalizer = weakref.finalize(space, _close, space.prefix, space.registered, space.archive.name)
    finalizer.atexit = False
    return finalizer


def is_known_to_others(mangled: str) -> bool:
    """Tell whether a finder other than Python's, which packaged code may have added, finds the module."""
    for other in list(sys.meta_path):
        if other is not _finder and other not in _STANDARD_FINDERS and hasattr(other, "find_spec"):
            try:
                # With no folder to look in, so that none finds a file.
                if other.find_spec(mangled, []) is not None:
                    return True
            except Exception:  # noqa: BLE001, S112 -- anyone may have made it, for other names
                continue
    return False


def note_unreachable(prefix: str, reason: str) -> None:
    """Make imports of modules with this prefix, which is not open here, fail with the reason."""
    if prefix not in OPEN_SPACES:
        _unreachable[prefix] = reason
        _install_finder()


def _install_finder() -> None:
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)


def _introduce_to_torch() -> None:
    host_tables.introduce_importers()
    torch_saving.carry_artifacts()
    for space in list(OPEN_SPACES.values()):
        host_tables.show_modules(space.registered)


def _close(prefix: str, names: set[str], artifact: str) -> None:
    """Remove everything that belongs to a space from the tables of the process."""
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
    """Empty typing's caches if packaged modules have run since they were last emptied."""
    modules = {space.prefix: len(space.registered) for space in list(OPEN_SPACES.values())}
    if any(_modules_at_last_sweep.get(prefix) != count for prefix, count in modules.items()):
        _modules_at_last_sweep.update(modules)
        empty_caches()
