"""Tells the nodes of a graph apart by their contents and their places, never by their order.

This is colour refinement (Weisfeiler and Leman, 1968) with the smaller-part rule of Hopcroft
(1971), and individualisation where it ends in a draw, as in McKay's search for canonical forms
("Practical graph isomorphism", 1981). Every step depends only on properties that isomorphic
graphs share, so equal graphs get equal colours. Nodes that refinement cannot tell apart are taken to be
interchangeable. That is so in all but regular graphs made to defeat it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Any, TypeAlias

from hermpkg_build.dataclass import dataclass, field

Colour: TypeAlias = int


@dataclass(slots=True, kw_only=True, eq=False)
class Node:
    """One node: its own label, and its children, in order unless `unordered`.

    `content` gives more to tell it by, where everything else is equal.
    """

    unordered: bool = False
    label: list[bytes] = field(default_factory=list)
    children: list[int] = field(default_factory=list)
    content: Callable[[], str] | None = None


class Refinement:
    """Colours of nodes: equal for those that nothing yet tells apart."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        self._nodes = nodes
        self._parents: list[list[tuple[int, int]]] = [[] for _ in nodes]
        for index, node in enumerate(nodes):
            for slot, child in enumerate(node.children):
                self._parents[child].append((index, -1 if node.unordered else slot))
        self.colours: list[Colour] = [0] * len(nodes)
        self._members: list[set[int]] = [set(range(len(nodes)))]
        self._sets = [node.children for node in nodes if node.unordered and len(node.children) > 1]

    def order_sets(self) -> None:
        """Refine until no unordered node has two different children of one colour."""
        changed = self._split(0, self._grouped(self._members[0], self._own))
        while changed and self._tied():
            changed = self._round(changed)
        changed = self._split_by_content() if self._tied() else []
        while changed and self._tied():
            changed = self._round(changed)
        while tied := self._tied():
            self._draw(min(tied))

    def _own(self, index: int) -> Hashable:
        node = self._nodes[index]
        return node.unordered, tuple(node.label), len(node.children)

    def _surroundings(self, index: int) -> Hashable:
        """The colours around a node, by their places."""
        colours = self.colours
        node = self._nodes[index]
        children = [colours[child] for child in node.children]
        parents = sorted([(colours[parent], slot) for parent, slot in self._parents[index]])
        return tuple(sorted(children) if node.unordered else children), tuple(parents)

    def _grouped(self, indexes: Iterable[int], key: Callable[[int], Any]) -> list[set[int]]:
        """`indexes` in groups of equal keys, the groups in the order of their keys."""
        groups: dict[Any, set[int]] = {}
        for index in indexes:
            groups.setdefault(key(index), set()).add(index)
        return [groups[found] for found in sorted(groups)]

    def _round(self, changed: Sequence[int]) -> list[int]:
        """Tell apart the neighbours of nodes whose colours changed; those whose colours change by it."""
        by_colour: dict[Colour, set[int]] = {}
        for index in changed:
            for near in (*self._nodes[index].children, *(parent for parent, _ in self._parents[index])):
                if len(self._members[self.colours[near]]) > 1:
                    by_colour.setdefault(self.colours[near], set()).add(near)
        return [
            index
            for colour, affected in sorted(by_colour.items())
            for index in self._split(colour, self._grouped(affected, self._surroundings))
        ]

    def _split(self, colour: Colour, groups: list[set[int]]) -> list[int]:
        """Divide the nodes of a colour into `groups` and the rest; the nodes that get a new colour.

        The largest part keeps the colour: it is enough that the others changed, and so no node
        changes more often than the logarithm of their number.
        """
        rest = self._members[colour]
        for group in groups:
            rest -= group
        parts = [rest, *groups]
        largest = max(parts, key=len)
        self._members[colour] = largest
        changed: list[int] = []
        for part in parts:
            if part is not largest and part:
                self._recolour(part)
                changed += part
        return changed

    def _recolour(self, part: set[int]) -> None:
        for index in part:
            self.colours[index] = len(self._members)
        self._members.append(part)

    def _tied(self) -> set[Colour]:
        """The colours that two different children of one unordered node have."""
        tied: set[Colour] = set()
        for children in self._sets:
            counts = Counter(self.colours[child] for child in dict.fromkeys(children))
            if len(counts) < len(children):
                tied.update(colour for colour, count in counts.items() if count > 1)
        return tied

    def _split_by_content(self) -> list[int]:
        """Tell apart by their content the nodes that have one and share their colour."""
        changed = []
        for colour in range(len(self._members)):
            members = self._members[colour]
            if len(members) > 1 and all(self._nodes[index].content for index in members):
                changed += self._split(colour, self._grouped(members, self._content))
        return changed

    def _content(self, index: int) -> Hashable:
        content = self._nodes[index].content
        return content() if content is not None else ""

    def _draw(self, colour: Colour) -> None:
        """Give the nodes of a colour one each: they are interchangeable, so it matters not which."""
        members = self._members[colour]
        while len(members) > 1:
            index = members.pop()
            self._recolour({index})
            changed = [index]
            while changed:
                changed = self._round(changed)
            members = self._members[colour]
