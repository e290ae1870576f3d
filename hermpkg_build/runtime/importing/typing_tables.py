"""What typing keeps of packaged code, its overloads and the types it made, would keep the package alive."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

Overloads: TypeAlias = list[tuple[dict[str, Any], str, dict[str, Any]]]
"""The table, the name of a module, and the overloads that it defines, by qualified name and line."""


def take_overloads(modules: Iterable[str]) -> Overloads:
    """Take out what the tables have of `modules`."""
    return [(table, name, table.pop(name)) for table in _tables() for name in modules if name in table]


def give_overloads(taken: Overloads) -> None:
    """Put back what `take_overloads` gave, beside what has come to the tables since then."""
    for table, name, functions in taken:
        for function, definitions in table.get(name, {}).items():
            functions[function].update(definitions)
        table[name] = functions


def empty_caches() -> None:
    """Forget the types that typing has made, such as ``Optional[Thing]``; it makes them again when asked."""
    for clear in getattr(sys.modules.get("typing"), "_cleanups", ()):
        clear()


def _tables() -> Iterator[dict[str, Any]]:
    """One that typing has from Python 3.11 on, typing_extensions one of its own before that."""
    for keeper in ("typing", "typing_extensions"):
        table = getattr(sys.modules.get(keeper), "_overload_registry", None)
        if isinstance(table, dict):
            yield table
