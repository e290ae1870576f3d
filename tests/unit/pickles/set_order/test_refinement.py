"""Colours of nodes: what tells them apart and what must not."""

from __future__ import annotations

import random

from hermpkg_build.pickles.set_order.refinement import Node, Refinement


def colours(nodes: list[Node]) -> list[int]:
    refinement = Refinement(nodes)
    refinement.order_sets()
    return refinement.colours


def shuffled(nodes: list[Node], seed: int) -> tuple[list[Node], list[int]]:
    """The same graph with its nodes and the children of its sets in another order, and where each went."""
    rng = random.Random(seed)
    order = list(range(len(nodes)))
    rng.shuffle(order)
    place = {old: new for new, old in enumerate(order)}
    moved = []
    for old in order:
        children = [place[child] for child in nodes[old].children]
        if nodes[old].unordered:
            rng.shuffle(children)
        node = nodes[old]
        moved.append(
            Node(unordered=node.unordered, label=node.label, children=children, content=node.content)
        )
    return moved, [place[old] for old in range(len(nodes))]


def path_graph() -> list[Node]:
    """A set of six nodes in a chain, told apart only by their distance from a marked end."""
    chain = [Node(label=[b"n"], children=[number + 2] if number < 5 else []) for number in range(6)]
    return [Node(unordered=True, children=[1, 2, 3, 4, 5, 6]), *chain]


def test_places_in_a_chain_are_told_apart_the_same_way_in_any_order() -> None:
    nodes = path_graph()
    expected = colours(nodes)
    assert len(set(expected[1:])) == 6
    for seed in range(20):
        moved, places = shuffled(nodes, seed)
        found = colours(moved)
        assert [found[place] for place in places] == expected


def test_a_reference_from_outside_tells_twins_apart() -> None:
    nodes = [
        Node(children=[1, 3]),
        Node(unordered=True, children=[2, 3]),
        Node(label=[b"twin"]),
        Node(label=[b"twin"]),
    ]
    expected = colours(nodes)
    for seed in range(10):
        moved, places = shuffled(nodes, seed)
        found = colours(moved)
        assert [found[place] for place in places] == expected


def test_interchangeable_nodes_still_get_an_order() -> None:
    leaves = [Node(label=[b"leaf"]) for _ in range(50)]
    assert len(set(colours([Node(unordered=True, children=list(range(1, 51))), *leaves])[1:])) == 50


def test_a_ring_is_drawn_node_by_node() -> None:
    ring = [Node(label=[b"r"], children=[1 + (number + 1) % 8]) for number in range(8)]
    nodes = [Node(unordered=True, children=list(range(1, 9))), *ring]
    for seed in range(10):
        found = colours(shuffled(nodes, seed)[0])
        assert len(set(found)) == 9


def test_content_is_asked_for_only_when_nothing_else_helps() -> None:
    asked = []

    def content(name: str) -> str:
        asked.append(name)
        return name

    def pair(second_label: bytes) -> list[Node]:
        return [
            Node(unordered=True, children=[1, 2]),
            Node(label=[b"x"], children=[3]),
            Node(label=[second_label], children=[4]),
            Node(content=lambda: content("first")),
            Node(content=lambda: content("second")),
        ]

    colours(pair(b"y"))
    assert asked == []
    expected = colours(pair(b"x"))
    assert sorted(asked) == ["first", "second"]
    for seed in range(10):
        moved, places = shuffled(pair(b"x"), seed)
        found = colours(moved)
        assert [found[place] for place in places] == expected
