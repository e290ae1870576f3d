"""What the functions of the query language give; the arguments of each are those of its signature."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TypeAlias

from hermpkg_build.query.graph import (
    TargetGraph,
    closure,
    label_order,
    package_of,
    shortest_path,
    users,
    walked,
)

Labels: TypeAlias = set[str]


def _deps(graph: TargetGraph, labels: Labels, most_steps: int | None = None) -> Labels:
    return closure(graph, labels, most_steps)


def _rdeps(graph: TargetGraph, universe: Labels, labels: Labels, most_steps: int | None = None) -> Labels:
    everything = closure(graph, universe)
    back = users(graph, everything)
    return walked(lambda wave: [back.get(label, ()) for label in wave], labels & everything, most_steps)


def _allrdeps(graph: TargetGraph, labels: Labels, most_steps: int | None = None) -> Labels:
    return _rdeps(graph, set(graph.everything()), labels, most_steps)


def _allpaths(graph: TargetGraph, starts: Labels, ends: Labels) -> Labels:
    return _rdeps(graph, starts, ends)


def _somepath(graph: TargetGraph, starts: Labels, ends: Labels) -> Labels:
    return set(shortest_path(graph, starts, ends))


def _kind(graph: TargetGraph, pattern: str, labels: Labels) -> Labels:
    matches = re.compile(pattern).search
    return {label for label in labels if matches(graph.kind(label))}


def _filter(_: TargetGraph, pattern: str, labels: Labels) -> Labels:
    matches = re.compile(pattern).search
    return {label for label in labels if matches(label)}


def _attr(graph: TargetGraph, name: str, pattern: str, labels: Labels) -> Labels:
    matches = re.compile(pattern).search
    values = ((label, graph.attributes(label).get(name)) for label in labels)
    return {label for label, value in values if value is not None and matches(value)}


def _labels(graph: TargetGraph, name: str, labels: Labels) -> Labels:
    return set().union(*[graph.labels_in(label, name) for label in labels])


def _tests(graph: TargetGraph, labels: Labels) -> Labels:
    return {label for label in labels if graph.is_test(label)}


def _of_packages(labels: Labels) -> list[str]:
    """Return one label of each package of `labels`."""
    return list({package_of(label): label for label in labels}.values())


def _buildfiles(graph: TargetGraph, labels: Labels) -> Labels:
    files = [(graph.build_files(label), graph.load_files(label)) for label in _of_packages(labels)]
    return set().union(*[[*build, *load] for build, load in files])


def _loadfiles(graph: TargetGraph, labels: Labels) -> Labels:
    return set().union(*[graph.load_files(label) for label in _of_packages(labels)])


def _rbuildfiles(graph: TargetGraph, *paths: str) -> Labels:
    return set(graph.build_files_behind(paths))


def _siblings(graph: TargetGraph, labels: Labels) -> Labels:
    return set().union(*[graph.siblings(label) for label in _of_packages(labels)])


def _visible(graph: TargetGraph, users: Labels, labels: Labels) -> Labels:
    asking = _of_packages(users)
    return {label for label in labels if all(graph.is_visible(label, user) for user in asking)}


def _same_pkg_direct_rdeps(graph: TargetGraph, labels: Labels) -> Labels:
    beside = sorted(_siblings(graph, labels), key=label_order)
    return {
        label
        for label, ends in zip(beside, graph.successors(beside), strict=True)
        if any(end in labels and package_of(end) == package_of(label) for end in ends)
    }


def _some(_: TargetGraph, labels: Labels, count: int = 1) -> Labels:
    return set(sorted(labels, key=label_order)[:count])


FUNCTIONS: Mapping[str, Callable[..., Labels]] = {
    "deps": _deps,
    "rdeps": _rdeps,
    "allrdeps": _allrdeps,
    "allpaths": _allpaths,
    "somepath": _somepath,
    "kind": _kind,
    "filter": _filter,
    "attr": _attr,
    "labels": _labels,
    "tests": _tests,
    "buildfiles": _buildfiles,
    "loadfiles": _loadfiles,
    "rbuildfiles": _rbuildfiles,
    "siblings": _siblings,
    "visible": _visible,
    "same_pkg_direct_rdeps": _same_pkg_direct_rdeps,
    "some": _some,
}
"""Each by its name. Arguments are as the signature says: sets of labels, texts, whole numbers."""
