"""Module graphs in the DOT language of Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.module_roles import Policy

_STYLES = {
    Policy.INTERN: "",
    Policy.EXTERN: " [style=dashed]",
    Policy.MOCK: " [style=dotted]",
    Policy.DENY: " [color=red]",
}


def to_dot(graph: ModuleGraph) -> str:
    """Return a digraph with an arrow from each module or root to each module that it needs.

    Interned modules are drawn solid, extern ones dashed, mocked ones dotted, denied ones red, roots as
    ellipses; arrows of optional imports are dashed. The text has no final newline.
    """
    lines = ["digraph modules {", "  rankdir = LR;", "  node [shape=box];"]
    lines += [f"  {_quoted(root)} [shape=ellipse];" for root in graph.roots if root not in graph.nodes]
    lines += [f"  {_quoted(node.name)}{_STYLES[node.policy]};" for node in graph]
    arrows: dict[str, bool] = {}
    for edge in graph.edges:
        arrow = f"{_quoted(edge.source)} -> {_quoted(edge.target)}"
        arrows[arrow] = edge.optional and arrows.get(arrow, True)
    lines += [f"  {arrow}{' [style=dashed]' if optional else ''};" for arrow, optional in arrows.items()]
    return "\n".join([*lines, "}"])


def _quoted(name: str) -> str:
    # Graphviz reads a backslash before a quote as an escape, and a doubled one as itself.
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
