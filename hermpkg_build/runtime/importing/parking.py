"""Parks modules during a full garbage collection, so that a package that nothing uses is freed.

``sys.modules`` holds the modules, whose builtins hold the module space: it would keep a dropped
importer for ever. While the collector works, a stand-in with a weak reference takes the place of each
module, and the collector frees what only ``sys.modules`` reached.
"""

from __future__ import annotations

import sys
import weakref
from types import ModuleType
from typing import Any

from hermpkg_build.runtime.importing.host_tables import give_overloads, take_overloads
from hermpkg_build.runtime.importing.space import ModuleSpace


def park(space: ModuleSpace) -> None:
    """Put a stand-in in the place of each module of `space`, which holds the modules meanwhile.

    The collector then frees all of them or none. Only values of ``sys.modules`` are replaced, because
    some caller may be iterating over it.
    """
    for name in list(space.registered):
        module = sys.modules.get(name)
        if module is not None and type(module) is not _StandIn:
            try:
                stand_in = _StandIn(name, weakref.ref(module))
            except TypeError:
                continue  # Packaged code has put something here that cannot be referred to weakly.
            space.parked[name] = module
            sys.modules[name] = stand_in
    space.parked_overloads += take_overloads(space.registered)


def unpark(space: ModuleSpace) -> None:
    """Put the modules of `space` back."""
    for name, module in list(space.parked.items()):
        if type(sys.modules.get(name)) is _StandIn:
            sys.modules[name] = module
    space.parked.clear()
    give_overloads(space.parked_overloads)
    space.parked_overloads.clear()


def real_module(module: Any, space: ModuleSpace, mangled: str) -> Any:
    """Give `module`, or the module that it stands in for, so that no code is given a stand-in to keep."""
    if type(module) is not _StandIn:
        return module
    original = object.__getattribute__(module, "_module")()
    # A collection that frees the module cuts weak references to it before finalizers run.
    return original if original is not None else space.parked[mangled]


def loaded_module(space: ModuleSpace, mangled: str) -> Any:
    """Give the module that ``sys.modules`` has under `mangled`, None where it has none."""
    return real_module(sys.modules.get(mangled), space, mangled)


class _StandIn(ModuleType):
    """Takes a module's place during a collection, for threads and finalizers that look there meanwhile.

    Only host code that looks into ``sys.modules`` finds one: see `real_module`.
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
