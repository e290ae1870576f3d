"""The modules of a workspace with all that they import, as a graph of labels."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from zlib import crc32

from hermpkg_build.dataclass import dataclass
from hermpkg_build.engine.queries.rows import Rows
from hermpkg_build.engine.queries.watched import joined, split
from hermpkg_build.errors import Location
from hermpkg_build.query.graph import Edge

KINDS = ("source file", "source module", "extension module", "bytecode module", "builtin module")
"""What a node can be: a file of the workspace, or a module of the environment."""

EDGE_KINDS = ("import", "optional import", "parent", "observed", "declared")

_EDGES, _MENTIONS = "IIIB", "I"
"""Of an edge the number of its end, line, column and kind; of a name that is mentioned a hash."""

NOTES = ("names", "stars", "mentions offsets", "mentions0")
"""The sections that no answer needs, but only `changed` and what leads to it."""

_MANY = 8
"""From this part of all labels on, looking through all is quicker than looking up each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleNode:
    """A module: its kind, its name, and the path of its file, "" for one of the workspace."""

    kind: str
    name: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadModules:
    """What was found in modules that were read, by their labels.

    `nodes` are they and all that they lead to; `edges` are those that leave each. `mentions` are names that
    decide what its imports mean, whether there is such a module or not; `stars` are modules of which it
    imports all names. `problems` tell of those whose imports cannot be read.
    """

    nodes: Mapping[str, ModuleNode]
    edges: Mapping[str, Sequence[Edge]]
    mentions: Mapping[str, Collection[str]]
    stars: Mapping[str, Sequence[str]]
    problems: Mapping[str, str]


class ImportGraph:
    """Edges between labels, in arrays. A label that is "" stands for a module that nothing leads to."""

    def __init__(self, sections: Mapping[str, bytes | memoryview]) -> None:
        self.sections = sections

    @classmethod
    def empty(cls) -> ImportGraph:
        """Return the graph of no modules."""
        rows = {**Rows.none(_EDGES).encode("edges"), **Rows.none(_MENTIONS).encode("mentions")}
        texts = {"labels": b"", "names": b"", "places": b"", "kinds": b""}
        return cls({**texts, **rows, "stars": b"{}", "problems": b"{}"})

    @cached_property
    def labels(self) -> Sequence[str]:
        """The labels of all modules, by number."""
        return split(self.sections["labels"])

    @cached_property
    def names(self) -> Sequence[str]:
        """The names of all modules, by number; "" for a target that names some."""
        return split(self.sections["names"])

    @cached_property
    def _places(self) -> Sequence[str]:
        return split(self.sections["places"])

    @cached_property
    def _edges(self) -> Rows:
        return Rows.decode("edges", _EDGES, self.sections)

    @cached_property
    def stars(self) -> Mapping[str, Sequence[str]]:
        """The labels of modules that import all names of others, with the names of these."""
        found: dict[str, list[str]] = json.loads(bytes(self.sections["stars"]))
        return found

    @cached_property
    def problems(self) -> Mapping[str, str]:
        """What is wrong with modules whose imports could not be read, by their labels."""
        found: dict[str, str] = json.loads(bytes(self.sections["problems"]))
        return found

    @cached_property
    def index(self) -> Mapping[str, int]:
        """The number of each label."""
        return dict(zip(self.labels, range(len(self.labels)), strict=True))

    def __contains__(self, label: str) -> bool:
        return label in self.index

    def successors(self, label: str) -> Sequence[str]:
        """List what the imports of a label lead to."""
        number = self.index.get(label)
        if number is None:
            return ()
        labels, edges = self.labels, self._edges
        ends = edges.columns[0][edges.offsets[number] : edges.offsets[number + 1]]
        return [labels[end] for end in ends]

    def reach(self, starts: set[str]) -> set[str]:
        """Return `starts` with all that their imports lead to."""
        first = self._numbers(starts)
        labels = self.labels
        return starts | {labels[number] for number in self._reached(first) - first}

    def _reached(self, wave: set[int]) -> set[int]:
        ends, offsets = self._edges.columns[0], self._edges.offsets
        seen = wave
        while wave:
            found: set[int] = set()
            found.update(*[ends[offsets[first] : offsets[end]] for first, end in _runs(sorted(wave))])
            wave = found - seen
            seen = seen | wave
        return seen

    def _numbers(self, labels: set[str]) -> set[int]:
        """Return the numbers of those of `labels` that are nodes."""
        if len(labels) > len(self.labels) // _MANY:
            return {number for number, label in enumerate(self.labels) if label in labels}
        index = self.index
        return {index[label] for label in labels if label in index}

    def edges(self, label: str) -> Iterator[Edge]:
        """Give the edges of a label, with file, line and column of each import."""
        number = self.index.get(label)
        if number is None:
            return
        path = self.path(label)
        for end, line, column, kind in self._edges.of(number):
            yield Edge(
                source=label,
                target=self.labels[end],
                kind=EDGE_KINDS[kind],
                location=Location(path, line, column) if line else None,
            )

    def kind(self, label: str) -> str:
        """Return what a label is."""
        return KINDS[self.sections["kinds"][self.index[label]]]

    def path(self, label: str) -> str:
        """Return the path of a label's file; "" where there is none."""
        if not label.startswith("@"):
            package, _, name = label[2:].partition(":")
            return f"{package}/{name}" if package else name
        return self._places[self.index[label]]

    def mentioning(self, names: Iterable[str]) -> set[str]:
        """Return the modules that mention one of `names`, and perhaps a few others."""
        mentions = Rows.decode("mentions", _MENTIONS, self.sections)
        wanted = {_hash(name) for name in names}
        if wanted.isdisjoint(mentions.columns[0]):
            return set()
        hashes, offsets = mentions.columns[0], mentions.offsets
        return {
            label
            for number, label in enumerate(self.labels)
            if not wanted.isdisjoint(hashes[offsets[number] : offsets[number + 1]])
        } - {""}

    def changed(self, read: ReadModules, gone: Collection[str]) -> ImportGraph:
        """Return the graph with modules that were read anew, and without those of `gone`.

        What no file of the workspace leads to any more is not in it.
        """
        labels, names, places = list(self.labels), list(self.names), list(self._places)
        kinds, index = bytearray(self.sections["kinds"]), dict(self.index)
        for label in [*read.nodes, *read.edges]:
            if index.setdefault(label, len(labels)) == len(labels):
                labels.append(label)
                names.append("")
                places.append("")
                kinds.append(0)
        for label, node in read.nodes.items():
            number = index[label]
            names[number], places[number], kinds[number] = node.name, node.path, KINDS.index(node.kind)
        edges: dict[int, list[tuple[int, ...]]] = {index[label]: [] for label in gone if label in index}
        mentions: dict[int, list[tuple[int, ...]]] = dict(edges)
        for label, found in read.edges.items():
            edges[index[label]] = [_row(edge, index[edge.target]) for edge in found]
            mentions[index[label]] = [(each,) for each in sorted(map(_hash, read.mentions.get(label, ())))]
        stale = {*read.edges, *gone}
        sections = {
            "labels": joined(labels),
            "names": joined(names),
            "places": joined(places),
            "kinds": bytes(kinds),
            **self._edges.replaced(edges, len(labels)).encode("edges"),
            **Rows.decode("mentions", _MENTIONS, self.sections)
            .replaced(mentions, len(labels))
            .encode("mentions"),
            "stars": _renewed(self.stars, read.stars, stale),
            "problems": _renewed(self.problems, read.problems, stale),
        }
        return ImportGraph(sections)._pruned(gone)

    def _pruned(self, gone: Collection[str]) -> ImportGraph:
        """Return the graph in which only what files of the workspace lead to has a label."""
        roots = {
            number
            for number, label in enumerate(self.labels)
            if label and not label.startswith("@") and label not in gone
        }
        reached = self._reached(roots)
        if len(reached) == len(self.labels):
            return self
        labels = [label if number in reached else "" for number, label in enumerate(self.labels)]
        lost = [number for number in range(len(labels)) if not labels[number]]
        nothing: dict[int, list[tuple[int, ...]]] = {number: [] for number in lost}
        mentions = Rows.decode("mentions", _MENTIONS, self.sections).replaced(nothing, len(labels))
        stars = {label: found for label, found in self.stars.items() if label in set(labels)}
        rows = {
            **self._edges.replaced(nothing, len(labels)).encode("edges"),
            **mentions.encode("mentions"),
        }
        own = {"labels": joined(labels), "stars": json.dumps(stars).encode()}
        return ImportGraph({**self.sections, **rows, **own})


def _row(edge: Edge, end: int) -> tuple[int, ...]:
    place = edge.location
    return end, place.line if place else 0, place.column if place else 0, EDGE_KINDS.index(edge.kind)


def _hash(name: str) -> int:
    return crc32(name.encode(errors="surrogateescape"))


def _renewed(before: Mapping[str, object], now: Mapping[str, object], stale: Collection[str]) -> bytes:
    kept = {label: value for label, value in before.items() if label not in stale}
    return json.dumps({**kept, **now}).encode()


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Give the runs of sorted numbers without gaps, each as a half-open range.

    >>> list(_runs([1, 2, 3, 7, 9, 10]))
    [(1, 4), (7, 8), (9, 11)]
    """
    first = end = -1
    for number in numbers:
        if number != end:
            if end >= 0:
                yield first, end
            first = number
        end = number + 1
    if end >= 0:
        yield first, end
