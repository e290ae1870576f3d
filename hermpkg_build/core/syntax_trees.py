"""Syntax trees of Python text, made by one thread at a time."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ast
    import warnings

_alone = threading.RLock()
"""What becomes of warnings is set for a whole process. Before Python 3.11.8 and 3.12.2 the depth of the tree
that is being made is counted for a whole process too, and of two trees at once one can fail by chance
(https://github.com/python/cpython/issues/106905).
"""


def parse_module(
    source: str | bytes, name: str = "<source>"
) -> tuple[ast.Module, list[warnings.WarningMessage]]:
    """The tree of a module, and what the interpreter warns of, which nobody is shown.

    Raises SyntaxError, ValueError, RecursionError and MemoryError, as `compile` does.
    """
    tree, caught = _parse(source, name, "exec")
    return cast("ast.Module", tree), caught


def parse_expression(text: str) -> ast.expr:
    """The tree of an expression. Raises SyntaxError, ValueError, RecursionError and MemoryError."""
    tree, _ = _parse(text, "<expression>", "eval")
    return cast("ast.Expression", tree).body


def _parse(source: str | bytes, name: str, mode: str) -> tuple[ast.AST, list[warnings.WarningMessage]]:
    import ast
    import warnings

    with _alone, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        tree = compile(source, name, mode, ast.PyCF_ONLY_AST, dont_inherit=True)
    return tree, caught
