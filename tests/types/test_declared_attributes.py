"""Public attributes say their types, which type checkers infer differently: what pyright asks of a package.

It takes a minute to ask pyright (see `test_public_types.py`); this reads the syntax alone.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import hermpkg_build

PACKAGE = Path(hermpkg_build.__file__).parent
OF_THE_STANDARD_LIBRARY = {"_Visitor.memo", "Connections.sock", "Plain.sock"}
"""Attributes that classes of the standard library declare."""


def assigned(node: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    """The targets of an assignment, and whether a value that is plain to see is the whole of each."""
    if isinstance(node, ast.AugAssign):
        yield node.target, False
    elif isinstance(node, ast.Assign):
        plain = isinstance(node.value, ast.Constant | ast.Name)
        for target in node.targets:
            for part in ast.walk(target):
                if isinstance(part, ast.expr):
                    yield part, plain and part is target


def own_name(target: ast.expr) -> str:
    """The public attribute of `self` that is assigned to, else ""."""
    is_own = isinstance(target, ast.Attribute) and ast.unparse(target.value) == "self"
    return target.attr if is_own and isinstance(target, ast.Attribute) and target.attr[0] != "_" else ""


def undeclared(owner: ast.ClassDef) -> set[str]:
    """The public attributes without an annotation whose values are more than constants and parameters."""
    annotated = [node.target for node in ast.walk(owner) if isinstance(node, ast.AnnAssign)]
    declared = {node.id for node in annotated if isinstance(node, ast.Name)}
    declared |= {own_name(node) for node in annotated}
    found = {own_name(target) for node in ast.walk(owner) for target, plain in assigned(node) if not plain}
    return found - declared - {""}


def test_public_attributes_say_their_types() -> None:
    missing = {
        f"{owner.name}.{name}": str(path.relative_to(PACKAGE))
        for path in PACKAGE.rglob("*.py")
        for owner in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(owner, ast.ClassDef) and owner.name[0] != "_"
        for name in undeclared(owner)
    }
    assert missing.keys() - OF_THE_STANDARD_LIBRARY == set(), missing


def test_the_law_can_be_broken() -> None:
    text = "class C:\n  a: int\n  def __init__(self, b, d):\n    self.a, self._x, self.b, self.c = f()\n"
    text += "    self.d = d\n    self.e = 0\n    self.g = 0\n    self.g += 1\n    self.h: int = f()\n"
    (owner,) = ast.parse(text).body
    assert isinstance(owner, ast.ClassDef)
    assert undeclared(owner) == {"b", "c", "g"}
