"""Tells which distributions a model has done without when it ran, and its code can do without."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

from hermpkg_build.analysis.decisions import Candidate
from hermpkg_build.core.graph import Edge, ModuleGraph
from hermpkg_build.core.module_names import parents_of


def unused_distributions(
    graph: ModuleGraph,
    candidates: Iterable[Candidate],
    loaded: Collection[str],
    required_by: Callable[[str], Collection[str]],
) -> Iterator[str]:
    """The distributions of which no module is `loaded`, and that nothing leads to that needs them.

    What needs one is one's own code, or a library that says that it requires it, where the import may not
    fail: what else a library imports on demand, it must be able to do without. `required_by` has the names of
    what a distribution says that it requires.
    """
    known = [each for each in candidates if not each.is_part]
    owners = {module: each for each in known for module in each.modules}
    in_use = {each for name in loaded for each in (name, *parents_of(name))}
    used = {each.name for each in known if not in_use.isdisjoint(each.modules)}
    needed = {*_needed(graph, owners, used, required_by)}
    for each in known:
        if each.version and not each.is_own and each.name not in used and each.name not in needed:
            yield each.name


def _needed(
    graph: ModuleGraph,
    owners: Mapping[str, Candidate],
    used: Collection[str],
    required_by: Callable[[str], Collection[str]],
) -> Iterator[str]:
    """The names of all that is reached by edges that need what they lead to."""
    known: dict[str, Candidate | None] = {}

    def owner(module: str) -> Candidate | None:
        if module not in known:
            above = (module, *parents_of(module))
            known[module] = next((owners[name] for name in above if name in owners), None)
        return known[module]

    def is_need(edge: Edge) -> bool:
        source, target = owner(edge.source), owner(edge.target)
        if target is not None and target.name in used:
            return True
        if edge.optional or source is None or source.is_own or target is None or source is target:
            return not edge.optional
        return target.name in required_by(source.name)

    queue = [*graph.roots, *(name for name in graph.nodes if not graph.importers_of(name))]
    seen = set(queue)
    for name in queue:
        here = owner(name)
        if here is not None:
            yield here.name
        for edge in graph.imports_of(name):
            if edge.target not in seen and is_need(edge):
                seen.add(edge.target)
                queue.append(edge.target)
