"""Laws of the query language, over graphs of any shape, cycles included."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.engine.queries.import_graph import ImportGraph, ModuleNode, ReadModules
from hermpkg_build.errors import Location
from hermpkg_build.query.evaluation import answer
from hermpkg_build.query.graph import Edge, walked, within
from hermpkg_build.query.ranks import dependants_first, ranks

_LABELS = [f"//{package}:{name}" for package in ("a", "a/b") for name in "uvwx"]
_SETS = st.sets(st.sampled_from(_LABELS), min_size=1, max_size=4).map(
    lambda labels: " + ".join(sorted(labels))
)


class _Graph:
    """A graph of which queries ask edges alone."""

    def __init__(self, edges: Mapping[str, Collection[str]]) -> None:
        self.problems: Mapping[str, Any] = {}
        self._edges = edges

    def matching(self, pattern: str) -> Collection[str]:
        return [pattern]

    def successors(self, labels: Iterable[str]) -> Iterator[Collection[str]]:
        return (self._edges[label] for label in labels)

    def reach(self, labels: Iterable[str]) -> set[str]:
        return walked(self.successors, labels)

    def siblings(self, label: str) -> Collection[str]:
        return [each for each in self._edges if each.partition(":")[0] == label.partition(":")[0]]


_GRAPHS = st.fixed_dictionaries(
    {label: st.sets(st.sampled_from(_LABELS), max_size=3) for label in _LABELS}
).map(_Graph)


def _of(graph: Any, text: str) -> set[str]:
    found = answer(text, graph)
    assert not found.problems
    return set(found.labels)


@given(_GRAPHS)
def test_rdeps_is_the_transpose_of_deps(graph: Any) -> None:
    everything = f"set({' '.join(_LABELS)})"
    for label in _LABELS:
        users = {other for other in _LABELS if label in _of(graph, f"deps({other})")}
        assert _of(graph, f"rdeps({everything}, {label})") == users
        near = {other for other in _LABELS if label in _of(graph, f"deps({other}, 2)")}
        assert _of(graph, f"rdeps({everything}, {label}, 2)") == near


@given(_GRAPHS, _SETS, _SETS, st.integers(0, 9))
def test_laws_of_sets_and_paths(graph: Any, x: str, y: str, depth: int) -> None:
    everything = f"set({' '.join(_LABELS)})"
    assert _of(graph, f"({x}) - ({x})") == set()
    assert _of(graph, f"deps({x})") == _of(graph, f"let v = {x} in deps(deps($v))")
    assert _of(graph, f"deps({x} + {y})") == _of(graph, f"deps({x}) + deps({y})")
    assert (
        _of(graph, f"deps({x}, {depth})") <= _of(graph, f"deps({x}, {depth + 1})") <= _of(graph, f"deps({x})")
    )
    assert _of(graph, f"allpaths({x}, {y})") == _of(graph, f"deps({x}) ^ rdeps({everything}, {y})") & _of(
        graph, f"rdeps(deps({x}), {y})"
    )
    assert _of(graph, f"rdeps({x}, {y})") == _of(graph, f"rdeps({x}, ({y}) ^ deps({x}))")
    assert _of(graph, f"({x}) ^ ({y})") == _of(graph, f"({x}) - (({x}) - ({y}))")
    same = _of(graph, f"same_pkg_direct_rdeps({x})")
    assert same <= _of(graph, f"siblings({x}) ^ rdeps({everything}, {x}, 1)")


@given(_GRAPHS, _SETS, _SETS)
def test_some_path_is_one_of_all_and_a_shortest(graph: Any, x: str, y: str) -> None:
    path = answer(f"somepath({x}, {y})", graph).path
    assert bool(path) == bool(_of(graph, f"allpaths({x}, {y})"))
    if path:
        assert set(path) <= _of(graph, f"allpaths({x}, {y})")
        assert path[0] in _of(graph, x)
        assert path[-1] in _of(graph, y)
        assert len(path) == 1 or not _of(graph, f"deps({x}, {len(path) - 2}) ^ ({y})")
        for source, target in pairwise(path):
            assert target in next(graph.successors([source]))


@given(_GRAPHS, _SETS)
def test_orders_and_ranks_fit_the_edges(graph: Any, x: str) -> None:
    labels = _of(graph, f"deps({x})")
    edges = within(graph, labels)
    order = dependants_first(edges)
    assert sorted(order) == sorted(labels)
    near, far = ranks(edges, longest=False), ranks(edges, longest=True)
    assert near.keys() == far.keys() == labels
    assert all(near[label] <= far[label] for label in labels)
    for source, ends in edges.items():
        for end in ends:
            if source not in _of(graph, f"deps({end})"):
                assert order.index(source) < order.index(end)
                assert far[source] < far[end]
                assert near[end] <= near[source] + 1
            else:
                assert (near[source], far[source]) == (near[end], far[end])


_NODES = st.dictionaries(
    st.sampled_from([*_LABELS, "@python//é/x:y.py"]),
    st.builds(
        ModuleNode,
        kind=st.sampled_from(["source file", "source module"]),
        name=st.just("x"),
        path=st.sampled_from(["", "/x y"]),
    ),
    max_size=6,
)


@given(_NODES, st.data())
def test_import_graphs_that_are_kept_and_changed_are_those_made_at_once(
    nodes: dict[str, ModuleNode], data: st.DataObject
) -> None:
    labels = sorted(nodes)
    edges = {
        label: [
            Edge(source=label, target=end, kind="import", location=data.draw(_PLACES))
            for end in data.draw(st.sets(st.sampled_from(labels)))
        ]
        for label in labels
    }

    def read(some: Iterable[str]) -> ReadModules:
        own = list(some)
        ends = [edge.target for label in own for edge in edges[label]]
        return ReadModules(
            nodes={label: nodes[label] for label in [*own, *ends]},
            edges={label: edges[label] for label in own},
            mentions={label: [f"{label} mentioned"] for label in own},
            stars={},
            problems={label: f"é {label}" for label in own},
        )

    graph = ImportGraph.empty()
    for part in data.draw(
        st.lists(st.sets(st.sampled_from(labels)) if labels else st.just(set()), max_size=3)
    ):
        graph = ImportGraph({**graph.changed(read(part), ()).sections})
    graph = graph.changed(read(labels if not len(graph.labels) else {*labels} - {*graph.problems}), ())
    there = walked(
        lambda wave: [[edge.target for edge in edges[label]] for label in wave],
        [label for label in labels if not label.startswith("@")],
    )
    assert {label for label in graph.labels if label} == there
    for label in there:
        assert set(graph.successors(label)) == {edge.target for edge in edges[label]}
        found = {edge.target: edge.location and edge.location.line for edge in graph.edges(label)}
        assert found == {edge.target: edge.location and edge.location.line for edge in edges[label]}
        assert graph.reach({label}) == walked(lambda wave: map(graph.successors, wave), [label])
        assert label in graph.mentioning([f"{label} mentioned"])
        assert graph.problems[label] == f"é {label}"


_PLACES = st.one_of(st.none(), st.builds(Location, st.just("x.py"), st.integers(1, 9), st.integers(1, 9)))
