"""Clears the tables of typing, whose overloads and cached types would keep a package alive."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

Overloads: TypeAlias = list[tuple[dict[str, Any], str, dict[str, Any]]]
"""The table, the name of a module, and the overloads that it defines, by qualified name and line."""


def take_overloads(modules: Iterable[str]) -> Overloads:
    """Remove the overloads of `modules`, to which threads may add, from the tables, and return them."""
    names = list(modules)
    return [(table, name, table.pop(name)) for table in _tables() for name in names if name in table]


def give_overloads(taken: Overloads) -> None:
    """Put back what `take_overloads` returned, beside overloads that were added since."""
    for table, name, functions in taken:
        for function, definitions in list(table.get(name, {}).items()):
            functions[function].update(definitions)
        table[name] = functions


def empty_caches() -> None:
    """Make typing forget types such as ``Optional[Thing]``, which it makes again when they are used."""
    for clear in getattr(sys.modules.get("typing"), "_cleanups", ()):
        clear()


def _tables() -> Iterator[dict[str, Any]]:
    """Give the tables: that of typing, from Python 3.11 on, and that of typing_extensions before."""
    for keeper in ("typing", "typing_extensions"):
        table = getattr(sys.modules.get(keeper), "_overload_registry", None)
        if isinstance(table, dict):
            yield table
