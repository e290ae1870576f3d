"""Module graphs as JSON for caches; `decode` is the inverse of `encode`, paths and locations included.

Names stand once, in a table, and edges refer to them by number, because every build reads a graph of
thousands of modules.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleKind, ModuleNode, Origin
from hermpkg_build.core.policy import Policy
from hermpkg_build.errors import Location

_FORMAT = 1


def encode(graph: ModuleGraph) -> bytes:
    """Return `graph` as ASCII JSON; equal graphs with equal paths and locations give equal bytes."""
    table = _Table()
    nodes = [
        [
            table.number(node.name),
            node.policy,
            node.kind,
            node.origin,
            node.rule,
            str(node.digest) if node.digest else None,
            table.number(node.distribution),
            node.path,
        ]
        for node in graph
    ]
    edges = [
        [
            table.number(edge.source),
            table.number(edge.target),
            edge.kind,
            int(edge.optional),
            *(_located(table, edge.location)),
        ]
        for edge in graph.edges
    ]
    value = {
        "format": _FORMAT,
        "names": table.names,
        "nodes": nodes,
        "edges": edges,
        "roots": graph.roots,
    }
    # ASCII: lone surrogates, which stand for undecodable bytes in paths, have no UTF-8 form.
    return json.dumps(value, separators=(",", ":")).encode("ascii")


def decode(data: bytes) -> ModuleGraph:
    """Return the graph that `encode` wrote as `data`. Raises ValueError for any other bytes."""
    try:
        value = json.loads(data)
        if value["format"] != _FORMAT:
            raise ValueError(f"format {value['format']!r}, not {_FORMAT}")
        return _graph(value["names"], value["nodes"], value["edges"], value["roots"])
    except (KeyError, TypeError, IndexError, AttributeError, ValueError) as error:
        raise ValueError("not a module graph of this version") from error


def _graph(
    names: Sequence[str],
    nodes: Sequence[tuple[int, str, str, str, int | None, str | None, int, str]],
    edges: Sequence[Sequence[int]],
    roots: Sequence[str],
) -> ModuleGraph:
    policies = {policy.value: policy for policy in Policy}
    module_kinds = {kind.value: kind for kind in ModuleKind}
    origins = {origin.value: origin for origin in Origin}
    edge_kinds: dict[object, EdgeKind] = {kind.value: kind for kind in EdgeKind}
    found = {}
    for name, policy, kind, origin, rule, digest, distribution, path in nodes:
        found[names[name]] = ModuleNode(
            name=names[name],
            policy=policies[policy],
            kind=module_kinds[kind],
            origin=origins[origin],
            rule=rule,
            digest=Digest.parse(digest) if digest else None,
            distribution=names[distribution],
            path=path,
        )
    joined = [
        Edge(
            source=names[source],
            target=names[target],
            kind=edge_kinds[kind],
            location=Location(names[place[0]], place[1], place[2]) if place else None,
            optional=bool(optional),
        )
        for source, target, kind, optional, *place in edges
    ]
    return ModuleGraph(found, joined, roots)


class _Table:
    """Strings, each numbered when it is first asked for."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._numbers: dict[str, int] = {}

    def number(self, name: str) -> int:
        """The number of `name`."""
        number = self._numbers.setdefault(name, len(self.names))
        if number == len(self.names):
            self.names.append(name)
        return number


def _located(table: _Table, location: Location | None) -> tuple[int, ...]:
    return (table.number(location.path), location.line, location.column) if location else ()
