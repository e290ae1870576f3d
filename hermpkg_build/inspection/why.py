"""Why a module is in an artifact: the chain of imports from what the artifact is for down to it."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleNode
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
    """A module of an artifact and a shortest chain of edges from a root to it."""

    module: ModuleNode
    chain: tuple[Edge, ...]


def why(graph: ModuleGraph, module: str, *, artifact: str) -> Reason:
    """Why `module` is in the `artifact` whose graph this is.

    Raises QueryError where it is not, with the name that was probably meant.
    """
    node = graph.nodes.get(module)
    if node is None:
        near = difflib.get_close_matches(module, graph.nodes, n=1, cutoff=0.6)
        raise QueryError(
            f"{module} is not in {artifact}, neither packed nor extern nor mocked",
            next_step=f"did you mean {near[0]}?" if near else "hermpkg inspect lists what an artifact holds",
        )
    return Reason(module=node, chain=tuple(graph.chain(module)))


def sentence(edge: Edge) -> str:
    """One link of a chain in words: ``models.resnet imports models.layers``."""
    return f"{edge.source} {_VERBS[edge.kind]} {edge.target}"
