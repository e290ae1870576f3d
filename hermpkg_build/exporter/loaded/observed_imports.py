"""Imports that no source shows, but that the modules loaded in this process must have done."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType

from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph
from hermpkg_build.core.module_names import parent_of, top_of
from hermpkg_build.core.policy import Policy

_NO_MODULES = frozenset({"", "__main__"})


def loaded_on_demand(type_only: Iterable[Edge]) -> Iterator[Edge]:
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


def externs_in_use(graph: ModuleGraph) -> Iterator[Edge]:
    """The top-level modules outside of `graph` that its packed modules hold something of.

    That is a module, class or function. What was imported by a name that only run time knew shows in
    no source, but stays with whoever imported it. Such imports may mostly fail: they are optional.
    The standard library is left out, whose parts come by way of others too often.
    """
    known = {top_of(node.name) for node in graph}
    for node in graph.with_policy(Policy.INTERN):
        module = sys.modules.get(node.name)
        if type(module) is not ModuleType:
            continue
        tops = {_top(value) for value in list(vars(module).values())}
        for top in sorted(tops - known - _NO_MODULES - sys.stdlib_module_names):
            if sys.modules.get(top) is not None:
                yield Edge(source=node.name, target=top, kind=EdgeKind.OBSERVED, optional=True)


def _top(value: object) -> str:
    """The top-level module that a value comes from, "" for one that does not say."""
    name: object = ""
    if type(value) is ModuleType:
        name = value.__name__
    elif isinstance(value, (type, FunctionType, BuiltinFunctionType)):
        name = value.__module__
    return top_of(name) if isinstance(name, str) else ""
