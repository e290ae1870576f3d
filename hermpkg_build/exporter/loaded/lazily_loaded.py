"""Submodules that a package loads only when they are asked for, as far as this process has asked."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from types import ModuleType

from hermpkg_build.core.graph import Edge, EdgeKind
from hermpkg_build.core.module_names import parent_of


def lazily_loaded(type_only: Iterable[Edge]) -> Iterator[Edge]:
    """Those of the imports for type checkers by which a package says what it loads later, and has loaded.

    A package that makes its attributes on demand (PEP 562, or with a class of its own for modules)
    writes down for type checkers where they come from. That alone would take in all of a large
    library; what is loaded is what the objects at hand needed.
    """
    for edge in type_only:
        # As it is written: what begins with one dot counts from the package itself.
        target = edge.source + edge.target if edge.target.startswith(".") else edge.target
        if target in sys.modules and target.startswith(f"{edge.source}.") and _is_lazy(edge.source):
            yield Edge(source=edge.source, target=target, kind=EdgeKind.OBSERVED, location=edge.location)


def loaded_by_helpers(packages: Collection[str]) -> Iterator[Edge]:
    """The loaded submodules of those of `packages` whose attributes are made by a helper on demand.

    The helper is another module's; what it can load stands in its arguments, or in files that it reads.
    """
    helped = [package for package in packages if _has_helper(package)]
    for name in sorted(sys.modules) if helped else ():
        package = parent_of(name)
        if package in helped and sys.modules.get(name) is not None:
            yield Edge(source=package, target=name, kind=EdgeKind.OBSERVED)


def _has_helper(package: str) -> bool:
    module = sys.modules.get(package)
    make = vars(module).get("__getattr__") if type(module) is ModuleType else None
    return make is not None and getattr(make, "__module__", package) != package


def _is_lazy(name: str) -> bool:
    module = sys.modules.get(name)
    return module is not None and (type(module) is not ModuleType or "__getattr__" in vars(module))
