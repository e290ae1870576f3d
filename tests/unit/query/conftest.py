"""A graph of targets that is written down, for queries."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping

import pytest

from hermpkg_build.errors import HermpkgError, LabelError, Location
from hermpkg_build.query.graph import Edge, walked


class WrittenGraph:
    """Targets with what they depend on; labels that end in ``.py`` are files."""

    def __init__(self, edges: Mapping[str, Collection[str]]) -> None:
        self.problems: dict[str, HermpkgError] = {}
        self._edges = edges
        self._labels = list(dict.fromkeys([*edges, *(end for ends in edges.values() for end in ends)]))

    def matching(self, pattern: str) -> Collection[str]:
        start = pattern.removesuffix("...")
        found = [label for label in self._labels if label == pattern or (start != pattern and start in label)]
        if not found:
            raise LabelError(f"no such target: {pattern}")
        return found

    def successors(self, labels: Iterable[str]) -> Iterator[Collection[str]]:
        return (self._edges.get(label, ()) for label in labels)

    def reach(self, labels: Iterable[str]) -> set[str]:
        return walked(self.successors, labels)

    def edges(self, labels: Iterable[str]) -> Iterator[Edge]:
        for label in labels:
            for end in self._edges.get(label, ()):
                is_import = label.endswith(".py")
                place = Location(label[2:].replace(":", "/"), 3, 1) if is_import else None
                yield Edge(
                    source=label, target=end, kind="import" if is_import else "depends", location=place
                )

    def siblings(self, label: str) -> Collection[str]:
        return [each for each in self._labels if each.partition(":")[0] == label.partition(":")[0]]

    def kind(self, label: str) -> str:
        return "source file" if label.endswith(".py") else "model rule"

    def is_test(self, label: str) -> bool:
        return label.endswith("_test")

    def location(self, label: str) -> Location | None:
        return Location(label[2:].partition(":")[0] + "/BUILD", 7, 1)

    def attributes(self, label: str) -> Mapping[str, str]:
        return {"name": label.partition(":")[2], "deps": f"[{', '.join(self._edges.get(label, ()))}]"}

    def labels_in(self, label: str, attribute: str) -> Collection[str]:
        return self._edges.get(label, ()) if attribute == "deps" else ()

    def declaration(self, label: str) -> str:
        return "" if label.endswith(".py") else f'model(name = "{label.partition(":")[2]}")'

    def is_visible(self, label: str, user: str) -> bool:
        return label.partition(":")[0] == user.partition(":")[0] or label.endswith("_public")

    def build_files(self, label: str) -> Collection[str]:
        return [f"{label.partition(':')[0]}:BUILD"]

    def everything(self) -> Collection[str]:
        return self._labels

    def build_files_behind(self, paths: Collection[str]) -> Collection[str]:
        return [f"//{path}" for path in paths]

    def load_files(self, label: str) -> Collection[str]:
        return ["//tools:m.bzl"]


@pytest.fixture
def graph() -> WrittenGraph:
    """A diamond with a file at its end, a test above it, and a target apart."""
    return WrittenGraph(
        {
            "//a:top_test": ["//a:top"],
            "//a:top": ["//a:left", "//b:right_public"],
            "//a:left": ["//b/c:end"],
            "//b:right_public": ["//b/c:end"],
            "//b/c:end": ["//b/c:end.py"],
            "//d:apart": [],
        }
    )


@pytest.fixture
def make_graph() -> type[WrittenGraph]:
    return WrittenGraph
