"""Lets modules of the standard library be themselves while what a factory made is pickled.

A factory may hide or fake modules for the code that it runs (``sys.modules["sqlite3"] = None``). What it
returns is loaded where they are what they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType


def standard_modules(earlier: Mapping[str, ModuleType] | None = None) -> dict[str, ModuleType]:
    """Return the loaded modules of the standard library by name; those of `earlier` as they were then."""
    found = {
        name: module
        for name, module in sys.modules.copy().items()
        if name.partition(".")[0] in sys.stdlib_module_names
        and isinstance(module, ModuleType)
        and module.__spec__ is not None
    }
    return {**found, **(earlier or {})}


@contextmanager
def in_their_places(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """A context in which ``sys.modules`` has `modules` under their names; after it, what it had before."""
    instead = {name: sys.modules.get(name, _ABSENT) for name in modules}
    instead = {name: found for name, found in instead.items() if found is not modules[name]}
    sys.modules.update({name: modules[name] for name in instead})
    try:
        yield
    finally:
        for name, found in instead.items():
            if found is _ABSENT:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = found


_ABSENT = ModuleType("absent")
