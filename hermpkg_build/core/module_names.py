"""Dotted names of modules."""

from __future__ import annotations

from collections.abc import Iterator


def parents_of(name: str) -> Iterator[str]:
    """The dotted names above `name`, nearest first."""
    parent = name.rpartition(".")[0]
    while parent:
        yield parent
        parent = parent.rpartition(".")[0]
