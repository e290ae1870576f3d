"""Enters our importers and modules in the tables of torch, where it is loaded, in which it looks for them."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from types import ModuleType

from hermpkg_build.runtime.importer_protocol import Importer

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
