"""Questions to a module graph."""

from __future__ import annotations

from hermpkg_build.core.digest import Digest
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleNode
from hermpkg_build.core.graph_dot import to_dot
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.errors import Location


def node(name: str, policy: Policy = Policy.INTERN) -> ModuleNode:
    return ModuleNode(name=name, policy=policy, kind=ModuleKind.SOURCE, origin=Origin.WORKSPACE)


def graph(*pairs: str, roots: tuple[str, ...] = ("//r",)) -> ModuleGraph:
    edges = [Edge(source=a, target=b, kind=EdgeKind.IMPORT) for a, _, b in (p.partition(">") for p in pairs)]
    names = {name for edge in edges for name in (edge.source, edge.target)} - set(roots)
    return ModuleGraph({name: node(name) for name in names}, edges, roots)


def pairs(graph: ModuleGraph) -> list[str]:
    return [f"{edge.source}>{edge.target}" for edge in graph.edges]


def test_chain_is_a_shortest_one_and_ends_in_cycles():
    found = graph("//r>a", "a>b", "b>a", "b>c", "a>d", "d>c", "c>b")
    assert [edge.target for edge in found.chain("c")] == ["a", "b", "c"]
    assert found.chain("//r") == []
    assert found.chain("nowhere") == []


def test_all_paths_with_cycles_and_side_ways():
    found = graph("//r>a", "a>b", "b>c", "a>c", "b>a", "c>d", "d>c", "a>side", "other>c")
    assert pairs(found.all_paths("//r", "c")) == ["//r>a", "a>b", "a>c", "b>a", "b>c"]
    assert pairs(found.all_paths("a", "c")) == ["a>b", "a>c", "b>c"]
    assert pairs(found.all_paths("side", "c")) == []
    assert sorted(found.all_paths("a", "c").nodes) == ["a", "b", "c"]


def test_all_paths_keeps_the_chain_from_its_source():
    found = graph("//r>a", "a>b", "b>c").all_paths("a", "c")
    assert [edge.target for edge in found.chain("c")] == ["b", "c"]


def test_all_paths_of_a_ladder_are_not_counted_one_by_one():
    rungs = [f"{a}{i}>{b}{i + 1}" for i in range(200) for a in "xy" for b in "xy"]
    assert len(graph(*rungs, roots=("x0",)).all_paths("x0", "x200").edges) == 2 + 198 * 4 + 2


def test_equal_whatever_the_order_and_the_places():
    edges = [
        Edge(source="//r", target="a", kind=EdgeKind.DECLARED),
        Edge(source="a", target="b", kind=EdgeKind.IMPORT, location=Location("a.py", 1, 1)),
    ]
    nodes = {"a": node("a"), "b": node("b")}
    one = ModuleGraph(nodes, edges, ["//r"])
    assert one == ModuleGraph(dict(reversed(nodes.items())), edges[::-1], ["//r"])
    assert one != ModuleGraph(nodes, edges[:1], ["//r"])
    assert one != "something else"


def test_what_only_imports_that_may_fail_lead_to_is_optional():
    sure = graph("//r>a", "a>b", "plots>lib", "lib>lib.deep", "tools>b", "tools>a")
    edges = [Edge(source="a", target=name, kind=EdgeKind.IMPORT, optional=True) for name in ("plots", "b")]
    found = ModuleGraph(sure.nodes, [*sure.edges, *edges], sure.roots)
    assert sorted(found.optional_modules()) == ["lib", "lib.deep", "plots"]
    assert graph(roots=()).optional_modules() == frozenset()


def test_dot():
    edges = [
        Edge(source="//r", target="a", kind=EdgeKind.DECLARED),
        Edge(source="a", target='b"\\', kind=EdgeKind.IMPORT, optional=True),
        Edge(source="a", target="c", kind=EdgeKind.IMPORT, optional=True),
        Edge(source="a", target="c", kind=EdgeKind.OBSERVED),
    ]
    nodes = {"a": node("a"), 'b"\\': node('b"\\', Policy.EXTERN), "c": node("c", Policy.MOCK)}
    assert to_dot(ModuleGraph(nodes, edges, ["//r"])) == "\n".join(
        [
            "digraph modules {",
            "  rankdir = LR;",
            "  node [shape=box];",
            '  "//r" [shape=ellipse];',
            '  "a";',
            '  "b\\"\\\\" [style=dashed];',
            '  "c" [style=dotted];',
            '  "//r" -> "a";',
            '  "a" -> "b\\"\\\\" [style=dashed];',
            '  "a" -> "c";',
            "}",
        ]
    )


def test_nodes_are_equal_whatever_their_path():
    kept = {"policy": Policy.INTERN, "kind": ModuleKind.SOURCE, "origin": Origin.WORKSPACE}
    digest = Digest.of(b"")
    one = ModuleNode(name="a", digest=digest, path="/here/a.py", **kept)
    assert one == ModuleNode(name="a", digest=digest, path="/there/a.py", **kept)
