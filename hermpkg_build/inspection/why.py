"""Says why a module is in an artifact: the chain of imports that leads to it."""

from __future__ import annotations

from dataclasses import dataclass

from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleNode
from hermpkg_build.core.spelling import did_you_mean
from hermpkg_build.errors import QueryError

_VERBS = {
    EdgeKind.IMPORT: "imports",
    EdgeKind.PARENT: "lies in",
    EdgeKind.OBSERVED: "imported, while the factory ran,",
    EdgeKind.PICKLE: "names",
    EdgeKind.DECLARED: "asks for",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A module of an artifact, and a shortest chain of edges from a root to it."""

    module: ModuleNode
    chain: tuple[Edge, ...]


def why(graph: ModuleGraph, module: str, *, artifact: str) -> Reason:
    """Return why `module` is in the `artifact` that has the module graph `graph`.

    Raises QueryError where it is not in it, with the name that was probably meant.
    """
    node = graph.nodes.get(module)
    if node is None:
        near = did_you_mean(module, graph.nodes)
        raise QueryError(
            f"{module} is not in {artifact}, neither packed nor extern nor mocked",
            next_step=f"did you mean {near}?" if near else "hermpkg inspect lists what an artifact holds",
        )
    return Reason(module=node, chain=tuple(graph.chain(module)))


def sentence(edge: Edge) -> str:
    """Put one edge of a chain into words: ``models.resnet imports models.layers``."""
    return f"{edge.source} {_VERBS[edge.kind]} {edge.target}"
