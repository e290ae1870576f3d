"""Lets modules be themselves again after code of a user has hidden or faked them.

A factory may hide or fake modules for the code that it runs (``sys.modules["sqlite3"] = None``). What it
returns is loaded where they are what they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from types import ModuleType


def real_modules() -> dict[str, ModuleType]:
    """Return what is loaded by name, without what only stands in the place of a module."""
    return {name: module for name, module in sys.modules.copy().items() if is_real(module)}


def is_real(module: object) -> bool:
    """Whether an entry of ``sys.modules`` is a module that was imported: no None, no mock, no made-up one."""
    return isinstance(module, ModuleType) and isinstance(module.__spec__, ModuleSpec)


def standard_modules(earlier: Mapping[str, ModuleType] | None = None) -> dict[str, ModuleType]:
    """Return the loaded modules of the standard library by name; those of `earlier` as they were then."""
    names = sys.stdlib_module_names
    found = {name: module for name, module in real_modules().items() if name.partition(".")[0] in names}
    return {**found, **(earlier or {})}


def put_back(modules: Mapping[str, ModuleType]) -> None:
    """Put those of `modules` back in whose places ``sys.modules`` has nothing, or no real module."""
    sys.modules.update(
        {name: module for name, module in modules.items() if not is_real(sys.modules.get(name))}
    )


@contextmanager
def in_their_places(modules: Mapping[str, ModuleType]) -> Iterator[None]:
    """A context in which ``sys.modules`` has `modules` under their names; then again what it had."""
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
