"""Finds the loaded modules that packed code imports by names it computes."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

from hermpkg_build.analysis.computed_names import names_of_call
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph
from hermpkg_build.core.import_facts import DynamicImport
from hermpkg_build.errors import Location


def loaded_by_computed_name(
    dynamic: Iterable[tuple[str, DynamicImport]], graph: ModuleGraph
) -> Iterator[Edge]:
    """The loaded modules that calls such as ``import_module(f"lib.backends.{name}")`` may have imported.

    `dynamic` pairs modules of `graph` with their calls. A call whose text does not show the package
    it imports from is left out: all of a library would fit.
    """
    for source, call in dynamic:
        module = sys.modules.get(source)
        possible = names_of_call(call.text, source, str(getattr(module, "__package__", None) or ""))
        if module is None or possible is None:
            continue
        location = Location(graph.nodes[source].path, call.line, call.column)
        for name in sorted(sys.modules):
            if name != source and sys.modules.get(name) is not None and possible.pattern.fullmatch(name):
                yield Edge(source=source, target=name, kind=EdgeKind.OBSERVED, location=location)
