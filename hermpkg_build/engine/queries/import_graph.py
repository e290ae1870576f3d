"""The modules of a workspace with all that they import, as a graph of labels."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from hermpkg_build.engine.queries.kept_file import numbers, split
from hermpkg_build.errors import Location
from hermpkg_build.query.graph import Edge

KINDS = ("source file", "source module", "extension module", "bytecode module", "builtin module")
"""What a node can be: a file of the workspace, or a module of the environment."""

_MANY = 8
"""From this part of all labels on, looking through all is quicker than looking up each."""

EDGE_KINDS = ("import", "optional import", "parent", "observed", "declared")


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleNode:
    """A module: its kind, and the path of its file, "" for one of the workspace."""

    kind: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportGraph:
    """Edges between labels, in arrays: those of `labels[i]` are from `offsets[i]` up to `offsets[i + 1]`.

    `problems` are texts about modules whose imports could not be read.
    """

    labels: Sequence[str]
    kinds: bytes
    places: Sequence[str]
    offsets: Sequence[int]
    ends: Sequence[int]
    lines: Sequence[int]
    columns: Sequence[int]
    edge_kinds: bytes
    problems: tuple[str, ...] = ()
    _index: dict[str, int] = field(default_factory=dict, repr=False)

    @classmethod
    def of(
        cls,
        nodes: Mapping[str, ModuleNode],
        edges: Mapping[str, Sequence[Edge]],
        problems: Iterable[str],
    ) -> ImportGraph:
        """Make a graph of nodes and of the edges that leave each; their ends are nodes."""
        labels = list(dict.fromkeys([*nodes, *edges]))
        index = {label: number for number, label in enumerate(labels)}
        offsets, ends, lines, columns, kinds = [0], [], [], [], bytearray()
        for label in labels:
            for edge in edges.get(label, ()):
                ends.append(index[edge.target])
                lines.append(edge.location.line if edge.location else 0)
                columns.append(edge.location.column if edge.location else 0)
                kinds.append(EDGE_KINDS.index(edge.kind))
            offsets.append(len(ends))
        known = [nodes.get(label) for label in labels]
        return cls(
            labels=labels,
            kinds=bytes(KINDS.index(node.kind) if node else 0 for node in known),
            places=[node.path if node else "" for node in known],
            offsets=offsets,
            ends=ends,
            lines=lines,
            columns=columns,
            edge_kinds=bytes(kinds),
            problems=tuple(problems),
        )

    def encode(self) -> dict[str, bytes]:
        """Return the graph as bytes, of which `decode` makes it again."""
        return {
            "labels": "\0".join(self.labels).encode(errors="surrogateescape"),
            "kinds": self.kinds,
            "places": "\0".join(self.places).encode(errors="surrogateescape"),
            "offsets": array("I", self.offsets).tobytes(),
            "ends": array("I", self.ends).tobytes(),
            "lines": array("I", self.lines).tobytes(),
            "columns": array("I", self.columns).tobytes(),
            "edge_kinds": self.edge_kinds,
            "problems": json.dumps(self.problems).encode(),
        }

    @classmethod
    def decode(cls, sections: Mapping[str, bytes]) -> ImportGraph:
        """Return the graph that `encode` gave. Raises KeyError or ValueError."""
        return cls(
            labels=split(sections["labels"]),
            kinds=sections["kinds"],
            places=sections["places"].decode(errors="surrogateescape").split("\0"),
            offsets=numbers("I", sections["offsets"]),
            ends=numbers("I", sections["ends"]),
            lines=array("I", sections["lines"]),
            columns=array("I", sections["columns"]),
            edge_kinds=sections["edge_kinds"],
            problems=tuple(json.loads(sections["problems"])),
        )

    @property
    def index(self) -> Mapping[str, int]:
        """Return the number of each label."""
        if not self._index:
            self._index.update(zip(self.labels, range(len(self.labels)), strict=True))
        return self._index

    def __contains__(self, label: str) -> bool:
        return label in self.index

    def successors(self, label: str) -> Sequence[str]:
        """List what the imports of a label lead to."""
        number = self.index.get(label)
        if number is None:
            return ()
        labels = self.labels
        return [labels[end] for end in self.ends[self.offsets[number] : self.offsets[number + 1]]]

    def reach(self, starts: Iterable[str]) -> set[str]:
        """Return all that imports of `starts` lead to, with those of `starts` that are nodes."""
        ends, offsets = self.ends, self.offsets
        wave = self._numbers(starts if isinstance(starts, set) else set(starts))
        seen = wave
        while wave:
            found: set[int] = set()
            found.update(*[ends[offsets[first] : offsets[end]] for first, end in _runs(sorted(wave))])
            wave = found - seen
            seen = seen | wave
        labels = self.labels
        return {labels[number] for number in seen}

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
        for at in range(self.offsets[number], self.offsets[number + 1]):
            line = self.lines[at]
            yield Edge(
                source=label,
                target=self.labels[self.ends[at]],
                kind=EDGE_KINDS[self.edge_kinds[at]],
                location=Location(path, line, self.columns[at]) if line else None,
            )

    def kind(self, label: str) -> str:
        """Return what a label is."""
        return KINDS[self.kinds[self.index[label]]]

    def path(self, label: str) -> str:
        """Return the path of a label's file; "" where there is none."""
        if not label.startswith("@"):
            package, _, name = label[2:].partition(":")
            return f"{package}/{name}" if package else name
        return self.places[self.index[label]]


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
