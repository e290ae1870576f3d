"""Laws of module graphs: storing is invertible, and all paths are all paths."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core import graph_json
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleKind, ModuleNode, Origin
from hermpkg_build.core.policy import Policy
from hermpkg_build.errors import Location

letters = st.sampled_from("abcdef")
text = st.text(max_size=8)
digests = st.none() | st.binary(max_size=4).map(Digest.of)
locations = st.none() | st.builds(Location, text, st.integers(0, 10**6), st.integers(0, 300))


@st.composite
def graphs(draw) -> ModuleGraph:
    names = draw(st.sets(text, max_size=6))
    nodes = {
        name: ModuleNode(
            name=name,
            policy=draw(st.sampled_from(Policy)),
            kind=draw(st.sampled_from(ModuleKind)),
            origin=draw(st.sampled_from(Origin)),
            rule=draw(st.none() | st.integers(0, 99)),
            digest=draw(digests),
            distribution=draw(text),
            path=draw(text | st.just("/undecodable/\udcff")),
        )
        for name in names
    }
    ends = st.sampled_from([*sorted(names), "//root:one"])
    edge = st.builds(
        Edge,
        source=ends,
        target=ends,
        kind=st.sampled_from(EdgeKind),
        location=locations,
        optional=st.booleans(),
    )
    return ModuleGraph(nodes, draw(st.lists(edge, max_size=12)), draw(st.lists(text, max_size=2)))


@given(graphs())
def test_decode_is_the_inverse_of_encode(graph):
    data = graph_json.encode(graph)
    back = graph_json.decode(data)
    assert back == graph
    # What takes no part in equality survives as well.
    assert [node.path for node in back] == [node.path for node in graph]
    assert [edge.location for edge in back.edges] == [edge.location for edge in graph.edges]
    assert graph_json.encode(back) == data


@given(graphs(), st.data())
def test_bytes_that_are_no_graph_are_refused_with_a_value_error(graph, data):
    encoded = bytearray(graph_json.encode(graph))
    at = data.draw(st.integers(0, len(encoded) - 1))
    encoded[at] = data.draw(st.integers(0, 255))
    try:
        graph_json.decode(bytes(encoded))
    except ValueError:
        return


@pytest.mark.parametrize(
    "data", [b"", b"[]", b"{}", b"null", b'{"format":2}', b"\xff", b'{"format":1,"names":3}']
)
def test_other_json_is_refused(data):
    with pytest.raises(ValueError, match="not a module graph"):
        graph_json.decode(data)


def walks(edges: list[tuple[str, str]], source: str, target: str) -> set[tuple[str, str]]:
    """The edges of every simple path, found by trying them all."""
    found: set[tuple[str, str]] = set()

    def go(here: str, path: list[tuple[str, str]]) -> None:
        if here == target and path:
            found.update(path)
            return
        visited = {source, *(end for _, end in path)}
        for edge in edges:
            if edge[0] == here and edge[1] not in visited:
                go(edge[1], [*path, edge])

    go(source, [])
    return found


@given(st.lists(st.tuples(letters, letters), max_size=14), letters, letters)
def test_all_paths_has_every_edge_of_a_path_and_only_edges_that_lead_on(pairs, source, target):
    edges = [Edge(source=a, target=b, kind=EdgeKind.IMPORT) for a, b in pairs]
    graph = ModuleGraph({}, edges, [])
    found = [(edge.source, edge.target) for edge in graph.all_paths(source, target).edges]
    if source == target:
        assert found == []
        return
    simple = walks(pairs, source, target)
    assert simple <= set(found)
    # Whatever else is in it lies on a walk that leaves the source and ends at the target for the first time.
    assert all(begin != target and end != source for begin, end in found)
    for begin, end in found:
        assert begin == source or any(e == begin for _, e in found)
        assert end == target or any(b == end for b, _ in found)
    assert bool(found) is bool(simple)
