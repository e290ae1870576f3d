"""Laws of module graphs: all paths are all paths."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph

letters = st.sampled_from("abcdef")


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
