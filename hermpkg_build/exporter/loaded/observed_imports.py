"""Finds imports that no source shows, but that loaded modules must have done."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterable, Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType

from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph
from hermpkg_build.core.module_names import parent_of, top_of
from hermpkg_build.core.module_roles import Policy

_NO_MODULES = frozenset({"", "__main__"})


def loaded_on_demand(type_only: Iterable[Edge]) -> Iterator[Edge]:
    """The loaded submodules that packages load on demand, by the imports that declare them to type checkers.

    A package that makes its attributes on demand (PEP 562, or with a class of its own for modules)
    writes down for type checkers where they come from. To follow them all would take in a whole
    library; those that are loaded are the ones that the saved objects needed.
    """
    for edge in type_only:
        # As it is written: what begins with one dot counts from the package itself.
        target = edge.source + edge.target if edge.target.startswith(".") else edge.target
        if target in sys.modules and target.startswith(f"{edge.source}.") and _is_lazy(edge.source):
            yield Edge(source=edge.source, target=target, kind=EdgeKind.OBSERVED, location=edge.location)


def loaded_by_helpers(packages: Collection[str]) -> Iterator[Edge]:
    """The loaded submodules of those of `packages` whose attributes another module's helper makes on demand.

    The names that it can load stand in its arguments, or in files that it reads.
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
    """The top-level modules outside of `graph` whose modules, classes or functions its packed modules hold.

    An import by a computed name shows in no source, but its result stays with the importer. Such imports
    are mostly allowed to fail: they are optional. The standard library is left out: its parts often come
    by way of other modules.
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
