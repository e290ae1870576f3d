"""The order in which answers are printed, and how far each target is from the roots of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hermpkg_build.query.graph import label_order, transposed

Edges = Mapping[str, Sequence[str]]
"""The edges among the targets of an answer, each target a key."""


def by_label(labels: Iterable[str]) -> list[str]:
    """Sort labels."""
    return sorted(labels, key=label_order)


def dependants_first(edges: Edges) -> list[str]:
    """Order targets so that each stands before what it depends on, where there is no cycle.

    Of all such orders it is the reverse of a depth-first walk from each target, all in the order of labels.
    """
    return list(finished(edges, by_label(edges)))[::-1]


def finished(edges: Edges, starts: Iterable[str]) -> Iterator[str]:
    """Give what `starts` lead to in the order in which a depth-first walk leaves it for the last time."""
    seen: set[str] = set()
    for start in starts:
        if start in seen:
            continue
        seen.add(start)
        way = [(start, iter(edges[start]))]
        while way:
            label, ends = way[-1]
            following = next((end for end in ends if end not in seen), None)
            if following is None:
                way.pop()
                yield label
            else:
                seen.add(following)
                way.append((following, iter(edges[following])))


def ranks(edges: Edges, *, longest: bool) -> dict[str, int]:
    """Return how many steps each target is from the nearest root, or over the longest way.

    Roots are the targets that no other of the answer depends on. Targets on a cycle are one together.
    """
    component = _components(edges)
    between: dict[str, set[str]] = {first: set() for first in component.values()}
    for label, ends in edges.items():
        between[component[label]].update(component[end] for end in ends)
    plain = {first: by_label(ends - {first}) for first, ends in between.items()}
    back = transposed(plain)
    found: dict[str, int] = {}
    if longest:
        for first in list(finished(plain, plain))[::-1]:
            found[first] = max((found[before] + 1 for before in back[first]), default=0)
    else:
        wave = [first for first in plain if not back[first]]
        step = 0
        while wave:
            found.update(dict.fromkeys(wave, step))
            step += 1
            wave = list(dict.fromkeys(end for first in wave for end in plain[first] if end not in found))
    return {label: found[component[label]] for label in edges}


def _components(edges: Edges) -> dict[str, str]:
    """Return for each target one of those that lead to it and that it leads to: the same for all of them."""
    back = transposed(edges)
    component: dict[str, str] = {}
    for start in list(finished(edges, edges))[::-1]:
        if start in component:
            continue
        component[start] = start
        stack = [start]
        while stack:
            for before in back[stack.pop()]:
                if before not in component:
                    component[before] = start
                    stack.append(before)
    return component
