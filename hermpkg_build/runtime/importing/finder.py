"""The one meta-path finder for mangled names, and the registry of module spaces that it serves.

Nothing here keeps a space alive. ``sys.modules`` would: it holds the modules, whose builtins hold
the space. So that a dropped importer is freed nevertheless, the modules stand aside while the
garbage collector makes a full pass: see `_park`.
"""

from __future__ import annotations

import gc
import sys
import weakref
from collections.abc import Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, ModuleSpec, PathFinder
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hermpkg_build.runtime.importing import torch_tables
from hermpkg_build.runtime.importing.error_notes import add_note
from hermpkg_build.runtime.importing.typing_tables import empty_caches, give_overloads, take_overloads
from hermpkg_build.runtime.mangling import demangle, mangle_prefix

if TYPE_CHECKING:
    from hermpkg_build.runtime.importing.space import ModuleSpace

_STANDARD_FINDERS = (BuiltinImporter, FrozenImporter, PathFinder)

_spaces: weakref.WeakValueDictionary[str, ModuleSpace] = weakref.WeakValueDictionary()
_closed: dict[str, str] = {}
"""The artifact that a module was loaded from last, by plain name, where that is closed."""
_swept: dict[str, int] = {}
"""How many modules a space had, by its prefix, when typing's caches were last emptied."""
_stranded: dict[str, str] = {}
"""Prefixes of artifacts in other processes, of which objects came here, and why these cannot be opened."""


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
        owner = _spaces.get(prefix)
        if owner is None and prefix in _stranded:
            text = f"the artifact of {fullname} is not open in this process: {_stranded[prefix]}"
            raise ModuleNotFoundError(text, name=fullname)
        return owner.loader.find_spec(fullname) if owner is not None else None


_finder = _MangledFinder()


def register(space: ModuleSpace) -> weakref.finalize[[str, set[str], str], ModuleSpace]:
    """Serve the modules of `space` until it is freed, or until the returned finalizer is called.

    The finder stands first in ``sys.meta_path`` because the others would look for the mangled
    names on disk; it is there as long as it has something to find.
    """
    _spaces[space.prefix] = space
    if _finder not in sys.meta_path:
        sys.meta_path.insert(0, _finder)
    if _around_collection not in gc.callbacks:
        gc.callbacks.append(_around_collection)
    torch_tables.introduce_importers()
    finalizer = weakref.finalize(space, _forget, space.prefix, space.registered, space.archive.name)
    finalizer.atexit = False
    return finalizer


def space_of(prefix: str) -> ModuleSpace | None:
    """The open space whose modules have names with this prefix."""
    return _spaces.get(prefix)


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


def note_stranded(prefix: str, reason: str) -> None:
    """Have imports of modules with this prefix, which nothing here serves, say why that is."""
    if prefix not in _spaces:
        _stranded[prefix] = reason
        if _finder not in sys.meta_path:
            sys.meta_path.insert(0, _finder)


def note_other_copy(error: Exception, name: str, space: ModuleSpace) -> None:
    """Tell whoever reads `error`, which the packaged module `name` ended in, of another copy of the module.

    A table of an extern library that takes a name once, such as torch's of operators, refuses the
    second copy of the code that registers it; the table's own message knows nothing of copies.
    """
    if isinstance(error, (ImportError, OSError)):  # What is missing is no name that is taken.
        return
    others = [other for other in list(_spaces.values()) if other is not space]
    places = [f"the artifact {o.archive.name}" for o in others if o.mangle(name) in o.registered]
    if name in sys.modules:
        places.insert(0, "the environment")
    if not places and name in _closed:
        places = [f"the artifact {_closed[name]}, which is closed but has registered what it registered"]
    if places:
        add_note(
            error,
            f"{name} of the artifact {space.archive.name} runs beside the copy of it from {places[0]}. If the"
            " error is of a name that is taken, in a table that both register in: extern the module, load"
            " only one of the copies, or have the code look before it registers.",
        )


def _meet_torch() -> None:
    torch_tables.introduce_importers()
    for space in list(_spaces.values()):
        torch_tables.show_modules(space.registered)


def _forget(prefix: str, names: set[str], artifact: str) -> None:
    """Take everything that belongs to a space out of the interpreter's global tables."""
    _spaces.pop(prefix, None)
    for name in list(names):
        sys.modules.pop(name, None)
        _closed[demangle(name)] = artifact
    if _swept.pop(prefix, 0) != len(names):
        empty_caches()
    take_overloads(names)
    names.clear()
    linecache = sys.modules.get("linecache")
    if linecache is not None:
        start = f"{prefix}."
        for filename in [name for name in list(linecache.cache) if name.startswith(start)]:
            linecache.cache.pop(filename, None)
    if not _spaces:
        if _finder in sys.meta_path and not _stranded:
            sys.meta_path.remove(_finder)
        if _around_collection in gc.callbacks:
            gc.callbacks.remove(_around_collection)


def itself(module: Any, space: ModuleSpace, mangled: str) -> Any:
    """`module`, or what it stands in for: a stand-in that code was handed would outlast the collection."""
    if type(module) is not _StandIn:
        return module
    original = object.__getattribute__(module, "_module")()
    # A collection that frees the module cuts weak references to it before finalizers run.
    return original if original is not None else space.parked[mangled]


def _around_collection(phase: str, info: dict[str, int]) -> None:
    if info["generation"] == 2:
        if phase == "start":
            _sweep()
        for space in list(_spaces.values()):
            if phase == "start":
                _park(space)
            else:
                _unpark(space)


def _sweep() -> None:
    """Empty typing's caches where packaged modules have run since that was last done."""
    modules = {space.prefix: len(space.registered) for space in list(_spaces.values())}
    if any(_swept.get(prefix) != count for prefix, count in modules.items()):
        _swept.update(modules)
        empty_caches()


def _park(space: ModuleSpace) -> None:
    """Put a stand-in with a weak reference in the place of each module of `space`.

    The space holds the modules meanwhile, so that the collector frees all of them or none: all
    when nothing but ``sys.modules`` reaches them. Values are replaced, never keys, because some
    caller may be iterating over ``sys.modules`` right now.
    """
    for name in list(space.registered):
        module = sys.modules.get(name)
        if module is not None and type(module) is not _StandIn:
            try:
                stand_in = _StandIn(name, weakref.ref(module))
            except TypeError:
                continue  # What takes no weak reference is no module of ours.
            space.parked[name] = module
            sys.modules[name] = stand_in
    space.parked_overloads += take_overloads(space.registered)


def _unpark(space: ModuleSpace) -> None:
    for name, module in list(space.parked.items()):
        if type(sys.modules.get(name)) is _StandIn:
            sys.modules[name] = module
    space.parked.clear()
    give_overloads(space.parked_overloads)
    space.parked_overloads.clear()


class _StandIn(ModuleType):
    """Takes a module's place during a collection, for a thread or finalizer that looks just then.

    Only host code that looks into ``sys.modules`` meets one: see `itself`.
    """

    def __init__(self, name: str, module: weakref.ref[ModuleType]) -> None:
        super().__init__(name)
        super().__setattr__("_module", module)

    def __getattribute__(self, name: str) -> Any:
        module = object.__getattribute__(self, "_module")()
        if module is None:
            raise AttributeError(name)
        return getattr(module, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_module")(), name, value)
