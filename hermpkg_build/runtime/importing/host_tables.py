"""Keeps tables of the host, torch's and those of typing, in step with packages."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any, TypeAlias

from hermpkg_build.runtime.importer_protocol import Importer

Overloads: TypeAlias = list[tuple[dict[str, Any], str, dict[str, Any]]]
"""The table, the name of a module, and the overloads that it defines, by qualified name and line."""


# torch imports these after the modules that hold the tables and before it looks into them: an import of
# one is the time to enter what was loaded before torch.
TORCH_ARRIVALS = frozenset(
    {"torch._dynamo.symbolic_convert", "torch.functional", "torch.package.package_exporter"}
)


def introduce_importers() -> None:
    """Let torch's exporters take our importers as sources: they accept instances of torch's class."""
    stock = getattr(sys.modules.get("torch.package.importer"), "Importer", None)
    if stock is not None:
        stock.register(Importer)


def show_modules(names: Iterable[str]) -> None:
    """Enter loaded modules, by mangled names, in the table where Dynamo looks for packaged ones."""
    stock = sys.modules.get("torch.package.package_importer")
    table: dict[str, ModuleType] = getattr(stock, "_package_imported_modules", {})
    for name in list(names):
        module = sys.modules.get(name)
        if module is not None and module.__name__ == name:
            table[name] = module


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
