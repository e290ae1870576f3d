"""Walks a graph depth first, and notices cycles."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from typing import TypeVar

K = TypeVar("K", bound=Hashable)


def depth_first(
    roots: Iterable[K], successors: Callable[[K], Iterable[K]], on_cycle: Callable[[Sequence[K]], None]
) -> Iterator[K]:
    """Give every node that `roots` lead to, each once and after all that it leads to itself.

    Where a node leads back to one that is on the way to it, `on_cycle` is told of the nodes from there
    and back again. There is no recursion: chains can have any length.

    >>> edges = {"a": "bc", "b": "c", "c": "a"}
    >>> list(depth_first("a", edges.__getitem__, on_cycle=print))
    ['a', 'b', 'c', 'a']
    ['c', 'b', 'a']
    """
    done: set[K] = set()
    for root in roots:
        way = {} if root in done else {root: iter(successors(root))}
        while way:
            node = next(reversed(way))
            found = next(way[node], None)
            if found is None:
                del way[node]
                done.add(node)
                yield node
            elif found in way:
                nodes = list(way)
                on_cycle([*nodes[nodes.index(found) :], found])
            elif found not in done:
                way[found] = iter(successors(found))
