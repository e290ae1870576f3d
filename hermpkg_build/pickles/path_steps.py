"""The steps of a path through an object graph, written as in Python: ``model.layer1[0].weight``."""

from __future__ import annotations

from typing import Final

MODULE_TABLES: Final = frozenset({"_modules", "_parameters", "_buffers"})
"""The dicts of a torch module whose entries are attributes of the module."""


def attribute_step(name: str, *, in_table: bool) -> str:
    """The step to an attribute: ``.name``; "" for a name that cannot be one.

    A number is the name of a part of a sequence where it stands `in_table`, a torch module's: ``[0]``.
    """
    if name.isidentifier():
        return f".{name}"
    return f"[{name}]" if in_table and name.isdecimal() else ""


def quoted(text: str) -> str:
    """A text in double quotes."""
    return f'"{repr(text)[1:-1]}"'
