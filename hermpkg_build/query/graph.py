"""The graph that queries ask, and walks over it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.errors import HermpkgError, Location


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """`source` depends on `target`, by a rule's attribute (`kind` is ``depends``) or an import."""

    source: str
    target: str
    kind: str = "depends"
    location: Location | None = field(default=None, compare=False)


class TargetGraph(Protocol):
    """Targets by their labels, in full: ``//models:resnet``.

    What is wrong with a part of it is reported while it is walked, and is left out of the answers.
    """

    @property
    def problems(self) -> Mapping[str, HermpkgError]:
        """Return what was wrong with what was asked for so far, by its text."""
        ...

    def matching(self, pattern: str) -> Collection[str]:
        """Return the targets that a target pattern names. Raises HermpkgError."""
        ...

    def everything(self) -> Collection[str]:
        """Return all targets that BUILD files declare."""
        ...

    def successors(self, labels: Iterable[str]) -> Iterator[Collection[str]]:
        """Give for each label what it depends on directly."""
        ...

    def reach(self, labels: Iterable[str]) -> set[str]:
        """Return all that the labels lead to, themselves included."""
        ...

    def edges(self, labels: Iterable[str]) -> Iterator[Edge]:
        """Give the edges that leave the targets, with their places."""
        ...

    def siblings(self, label: str) -> Collection[str]:
        """Return all targets of the package of a target."""
        ...

    def kind(self, label: str) -> str:
        """Return what a target is: ``model rule``, ``source file``."""
        ...

    def is_test(self, label: str) -> bool:
        """Whether a target is a test."""
        ...

    def location(self, label: str) -> Location | None:
        """Return where a target is declared, or a file itself."""
        ...

    def attributes(self, label: str) -> Mapping[str, str]:
        """Return the attributes of a target as texts; none for a file."""
        ...

    def labels_in(self, label: str, attribute: str) -> Collection[str]:
        """Return what an attribute of a target names."""
        ...

    def declaration(self, label: str) -> str:
        """Return a target as a BUILD file would declare it; "" for a file."""
        ...

    def is_visible(self, label: str, user: str) -> bool:
        """Whether the target `user` may depend on the target `label`."""
        ...

    def build_files(self, label: str) -> Collection[str]:
        """Return the BUILD file of a target's package, and of those with .bzl files behind it."""
        ...

    def build_files_behind(self, paths: Collection[str]) -> Collection[str]:
        """Return the BUILD files of the workspace at some of its paths, and those that load what is there."""
        ...

    def load_files(self, label: str) -> Collection[str]:
        """Return the .bzl files behind the BUILD file of a target's package."""
        ...


def package_of(label: str) -> str:
    """Return the package of a label, with its repository: ``//models``."""
    return label.partition(":")[0]


def label_order(label: str) -> str:
    """Return what labels are sorted by: the package comes first, then the name."""
    return label.replace(":", "\0", 1)


def closure(graph: TargetGraph, starts: Iterable[str], most_steps: int | None = None) -> set[str]:
    """Return all that `starts` lead to over at most so many edges, themselves included."""
    return graph.reach(starts) if most_steps is None else walked(graph.successors, starts, most_steps)


def walked(
    successors: Callable[[Iterable[str]], Iterable[Collection[str]]],
    starts: Iterable[str],
    most_steps: int | None = None,
) -> set[str]:
    """Return all that `starts` lead to over at most so many steps, themselves included."""
    seen = set(starts)
    wave = seen
    while wave and most_steps != 0:
        found: set[str] = set()
        found.update(*successors(wave))
        wave = found - seen
        seen = seen | wave
        most_steps = None if most_steps is None else most_steps - 1
    return seen


def within(graph: TargetGraph, labels: Collection[str]) -> dict[str, list[str]]:
    """Return the edges among `labels`: for each what it depends on of them, sorted."""
    found = zip(labels, graph.successors(labels), strict=True)
    return {
        label: sorted([each for each in ends if each in labels], key=label_order) for label, ends in found
    }


def transposed(edges: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """Return the same edges from their ends to where they come from."""
    back: dict[str, list[str]] = {label: [] for label in edges}
    for label, ends in edges.items():
        for end in ends:
            back[end].append(label)
    return back


def users(graph: TargetGraph, labels: Collection[str]) -> dict[str, list[str]]:
    """Return for each of `labels`, which lead to each other alone, what depends on it; none for a root."""
    found: dict[str, list[str]] = {}
    for label, ends in zip(labels, graph.successors(labels), strict=True):
        for end in ends:
            found.setdefault(end, []).append(label)
    return found


def shortest_path(graph: TargetGraph, starts: Collection[str], ends: Collection[str]) -> list[str]:
    """Return a shortest path from one of `starts` to one of `ends`, the first by label order; [] for none."""
    came_from: dict[str, str] = dict.fromkeys(sorted(starts, key=label_order), "")
    wave = list(came_from)
    while wave:
        arrived = [label for label in wave if label in ends]
        if arrived:
            path = [arrived[0]]
            while came_from[path[-1]]:
                path.append(came_from[path[-1]])
            return path[::-1]
        found: list[str] = []
        for label, successors in zip(wave, graph.successors(wave), strict=True):
            for each in sorted(successors, key=label_order):
                if each not in came_from:
                    came_from[each] = label
                    found.append(each)
        wave = found
    return []
