"""Which distributions an artifact itself needs: those that its extern modules come from."""

from __future__ import annotations

from collections.abc import Iterable

from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.module_roles import Policy


def extern_roots(graph: ModuleGraph, requires: Iterable[str]) -> frozenset[str]:
    """Return the names of the distributions of extern modules, and of those that are required in any case."""
    externs = {node.distribution for node in graph.with_policy(Policy.EXTERN)}
    return frozenset({normalised(name) for name in (*externs, *requires)} - {""})
