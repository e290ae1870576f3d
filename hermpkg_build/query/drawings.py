"""Draws the targets of an answer and the edges among them, in the languages of Graphviz and of Mermaid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from hermpkg_build.query.graph import Edge

_Group = tuple[str, ...]


def dot(labels: Sequence[str], edges: Iterable[Edge], *, factored: bool) -> Iterator[str]:
    """Give the lines of a digraph (https://graphviz.org/doc/info/lang.html).

    Where it is `factored`, targets with the same edges are one box. The place of an import stands at its
    arrow.
    """
    groups, arrows = _drawn(labels, edges, factored)
    yield from ("digraph mygraph {", "  node [shape=box];")
    for group in groups:
        name = _quoted(group)
        yield f"  {name}"
        for end, place in arrows[group].items():
            told = f' [label="{_escaped(place)}"]' if place else ""
            yield f"  {name} -> {_quoted(end)}{told}"
    yield "}"


def mermaid(labels: Sequence[str], edges: Iterable[Edge], *, factored: bool) -> Iterator[str]:
    """Give the lines of a flowchart (https://mermaid.js.org/syntax/flowchart.html), as `dot` draws it."""
    groups, arrows = _drawn(labels, edges, factored)
    names = {group: f"n{number}" for number, group in enumerate(groups)}
    yield "flowchart LR"
    for group in groups:
        yield f'  {names[group]}["{"<br/>".join(map(_entities, group))}"]'
    for group in groups:
        for end, place in arrows[group].items():
            told = f'|"{_entities(place)}"|' if place else ""
            yield f"  {names[group]} -->{told} {names[end]}"


def _drawn(
    labels: Sequence[str], edges: Iterable[Edge], factored: bool
) -> tuple[list[_Group], dict[_Group, dict[_Group, str]]]:
    """Return the boxes, and for each box those that its arrows end at, with the place of the one import."""
    found = list(edges)
    forth: dict[str, set[str]] = {label: set() for label in labels}
    back: dict[str, set[str]] = {label: set() for label in labels}
    for edge in found:
        forth[edge.source].add(edge.target)
        back[edge.target].add(edge.source)
    alike: dict[object, list[str]] = {}
    for label in labels:
        key = (frozenset(forth[label]), frozenset(back[label])) if factored else label
        alike.setdefault(key, []).append(label)
    groups = [tuple(group) for group in alike.values()]
    group_of: Mapping[str, _Group] = {label: group for group in groups for label in group}
    arrows: dict[_Group, dict[_Group, str]] = {group: {} for group in groups}
    for edge in found:
        start, end = group_of[edge.source], group_of[edge.target]
        is_alone = len(start) == len(end) == 1 and edge.kind != "depends"
        arrows[start].setdefault(end, str(edge.location or "") if is_alone else "")
    return groups, arrows


def _quoted(group: _Group) -> str:
    return '"' + "\\n".join(map(_escaped, group)) + '"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _entities(text: str) -> str:
    return "".join(c if c.isalnum() or c in " /:.-_" else f"#{ord(c)};" for c in text)
