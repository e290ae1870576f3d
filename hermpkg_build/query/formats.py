"""Prints the answers of queries, in each of the formats that there are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.dataclass import dataclass
from hermpkg_build.query.drawings import dot, mermaid
from hermpkg_build.query.evaluation import Answer
from hermpkg_build.query.graph import Edge, TargetGraph, package_of, within
from hermpkg_build.query.ranks import by_label, dependants_first, ranks

ORDERS = ("auto", "deps", "full", "no")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """An answer, the graph it comes from, and how it is to be printed."""

    answer: Answer
    graph: TargetGraph
    order: str = "auto"
    factored: bool = True

    def ordered(self) -> list[str]:
        """List the targets in the order that is wished for; a path by default from its start."""
        if self.order in ("deps", "full"):
            return dependants_first(within(self.graph, self.answer.labels))
        return list(self.answer.path) or by_label(self.answer.labels)

    def edges(self) -> Iterator[Edge]:
        """Give the edges among the targets, with their places."""
        labels = set(self.answer.labels)
        for edge in self.graph.edges(self.ordered()):
            if edge.target in labels:
                yield edge


def _label(asked: Asked) -> Iterable[str]:
    return asked.ordered()


def _label_kind(asked: Asked) -> Iterable[str]:
    kind = asked.graph.kind
    return [f"{kind(label)} {label}" for label in asked.ordered()]


def _location(asked: Asked) -> Iterable[str]:
    for label in asked.ordered():
        place = asked.graph.location(label)
        yield f"{place or 'built into the interpreter'}: {asked.graph.kind(label)} {label}"


def _package(asked: Asked) -> Iterable[str]:
    packages = {package_of(label) for label in asked.answer.labels}
    return sorted(package.removeprefix("//") for package in packages)


def _build(asked: Asked) -> Iterable[str]:
    for label in asked.ordered():
        text = asked.graph.declaration(label)
        if text:
            yield from (f"# {asked.graph.location(label)}", *text.split("\n"), "")


def _ranked(asked: Asked, *, longest: bool) -> Iterable[str]:
    found = ranks(within(asked.graph, asked.answer.labels), longest=longest)
    for label in sorted(by_label(found), key=found.__getitem__):
        yield f"{found[label]} {label}"


def _graph(asked: Asked) -> Iterable[str]:
    return dot(asked.ordered(), asked.edges(), factored=asked.factored)


def _mermaid(asked: Asked) -> Iterable[str]:
    return mermaid(asked.ordered(), asked.edges(), factored=asked.factored)


def _edges(asked: Asked) -> Iterable[str]:
    for edge in asked.edges():
        place = f"  {edge.location}" if edge.location else ""
        yield f"{edge.source} -> {edge.target}{place}"


FORMATS: Mapping[str, Callable[[Asked], Iterable[str]]] = {
    "label": _label,
    "label_kind": _label_kind,
    "build": _build,
    "location": _location,
    "package": _package,
    "graph": _graph,
    "minrank": lambda asked: _ranked(asked, longest=False),
    "maxrank": lambda asked: _ranked(asked, longest=True),
    "mermaid": _mermaid,
    "edges": _edges,
}
"""The lines of each format; ``json`` is none of lines."""


def as_json(asked: Asked) -> dict[str, Json]:
    """Return the targets of an answer and the edges among them as a JSON value."""
    return {
        "targets": [
            {
                "label": label,
                "kind": asked.graph.kind(label),
                "package": package_of(label),
                "location": _place(asked.graph.location(label)),
                "attributes": dict(asked.graph.attributes(label)),
            }
            for label in asked.ordered()
        ],
        "edges": [
            {
                "source": edge.source,
                "target": edge.target,
                "kind": edge.kind,
                "location": _place(edge.location),
            }
            for edge in asked.edges()
        ],
    }


def _place(location: object) -> Json:
    from dataclasses import asdict

    from hermpkg_build.errors import Location

    return asdict(location) if isinstance(location, Location) else None
