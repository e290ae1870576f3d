"""What a build asks of texts of Python besides their trees: code, values of expressions, equal syntax."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final, cast

from hermpkg_build.core.syntax_trees import ALONE, compiled

if TYPE_CHECKING:
    import ast
    from types import CodeType


_UNKNOWN: Final = b"from __future__ import _\n"
_REFUSED: Final = "future feature _ is not defined"
_FUTURES_ARE_SYNTAX: Final = sys.version_info >= (3, 14)
"""Whether a tree tells of features that there are not."""
_USUAL: Final = b"from __future__ import annotations\n"


def parses(source: bytes) -> bool:
    """Whether a module parses, found out without a tree; where this says no, `parse_module` may say yes.

    A tree takes as long to make as all of the parsing does. The compiler looks at imports of the future once
    all is parsed, and before anything else: it is stopped there by one that it refuses. A table of symbols
    is small, too, and is for sources that may declare an encoding, as only the first two lines do.
    """
    import warnings

    if _FUTURES_ARE_SYNTAX and source.count(b"__future__") != source.count(_USUAL):
        return False
    head = source[: source.find(b"\n", source.find(b"\n") + 1)]
    with ALONE, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if b"coding" in head:
                import symtable

                symtable.symtable(source, "<source>", "exec")  # type: ignore[arg-type]
                return True
            compile(_UNKNOWN + source, "", "exec", dont_inherit=True)
        except SyntaxError as error:
            return error.msg == _REFUSED
        except (ValueError, RecursionError, MemoryError, SystemError):
            pass
    return False


def compile_module(source: bytes, name: str = "<source>") -> CodeType:
    """Return the code of a module, with assertions and docstrings. Raises as `parse_module` does."""
    code, _ = compiled(source, name, "exec")
    return cast("CodeType", code)


def parse_expression(text: str) -> ast.expr:
    """The tree of an expression. Raises SyntaxError and ValueError."""
    import ast

    tree, _ = compiled(text, "<expression>", "eval", ast.PyCF_ONLY_AST)
    return cast("ast.Expression", tree).body


def have_same_syntax(one: bytes, other: bytes) -> bool:
    """Whether two modules have the same syntax tree, wherever its parts stand.

    Raises as `parse_module` does.
    """
    from _ast import AST, PyCF_ONLY_AST

    trees = [compiled(source, "<source>", "exec", PyCF_ONLY_AST)[0] for source in (one, other)]
    pairs = [(trees[0], trees[1])]
    while pairs:
        first, second = pairs.pop()
        if type(first) is not type(second):
            return False
        if isinstance(first, AST):
            pairs += [(getattr(first, field, None), getattr(second, field, None)) for field in first._fields]
        elif isinstance(first, list) and isinstance(second, list):
            if len(first) != len(second):
                return False
            pairs += zip(first, second, strict=True)
        elif repr(first) != repr(second):
            return False
    return True


def literal_value(node: ast.AST) -> object:
    """The value of a literal. Raises ValueError for another expression, or one that has no value."""
    import ast

    try:
        value: object = ast.literal_eval(cast("ast.expr", node))
    except (TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"it has no value: {error}") from None
    return value
