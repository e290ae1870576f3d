"""Extern modules that loaded packed modules hold something of, however they came by it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import BuiltinFunctionType, FunctionType, ModuleType

from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph
from hermpkg_build.core.module_names import top_of
from hermpkg_build.core.policy import Policy

_NO_MODULES = frozenset({"", "__main__"})


def held_from_outside(graph: ModuleGraph) -> Iterator[Edge]:
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
