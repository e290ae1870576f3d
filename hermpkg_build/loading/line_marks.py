"""Marks statements of a file, so that the one is known that an evaluation never came back from."""

from __future__ import annotations

import ast
from collections.abc import Mapping

from hermpkg_build.dataclass import dataclass
from hermpkg_build.loading.interpreter_main import MARK
from hermpkg_build.loading.starlark_source import StarlarkSource


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedText:
    """A text with a call of MARK before each statement of `statements`, on its line."""

    text: str
    statements: Mapping[int, ast.stmt]

    def column(self, line: int, column: int) -> int:
        """Return where a column of a marked line is without the mark; 0 stays, which is no column."""
        if line not in self.statements:
            return column
        return max(column - len(_mark(line)), min(column, 1))


def marked(source: StarlarkSource) -> MarkedText:
    """Mark the statements of a file that compute something and begin a line."""
    if MARK in source.text:
        return MarkedText(text=source.text, statements={})
    statements = {node.lineno: node for node in source.tree.body if _computes(node)}
    lines = source.text.split("\n")
    for line in statements:
        lines[line - 1] = _mark(line) + lines[line - 1]
    return MarkedText(text="\n".join(lines), statements=statements)


def _mark(line: int) -> str:
    return f"{MARK}({line});"


def _computes(node: ast.stmt) -> bool:
    if node.col_offset or not isinstance(node, ast.Expr | ast.Assign | ast.AugAssign):
        return False
    if isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name):
        return node.value.func.id != "load"
    return not isinstance(node.value, ast.Constant)
