"""Parses and compiles Python text, in one thread at a time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ast
    import warnings
    from types import CodeType

_alone = threading.RLock()
"""Filters of warnings hold for the whole process. Before Python 3.11.8 and 3.12.2 so does the count of a
tree's depth, and one of two that are parsed at once can fail (https://github.com/python/cpython/issues/106905).
"""
_MOST_TRIES = 50
"""Threads of others know nothing of the lock: where one of them made a text fail, it is parsed again."""


class TooDeepError(SyntaxError):
    """A text that is nested too deeply for the parser of this interpreter."""


def parse_module(
    source: str | bytes, name: str = "<source>"
) -> tuple[ast.Module, list[warnings.WarningMessage]]:
    """Return the syntax tree of a module and the warnings of the interpreter, which are not shown.

    Raises SyntaxError, of which TooDeepError is a kind, and ValueError for a source with null bytes.
    """
    import ast

    tree, caught = _compile(source, name, "exec", ast.PyCF_ONLY_AST)
    return cast("ast.Module", tree), caught


def parses(source: bytes) -> bool:
    """Whether a module parses, found out without a tree; where this says no, `parse_module` may say yes.

    A tree takes as long to make as all of the parsing does. A table of symbols is small, and needs a text
    without errors, of some kinds more than a tree does: a `return` outside of functions.
    """
    import symtable
    import warnings

    with _alone, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            symtable.symtable(source, "<source>", "exec")  # type: ignore[arg-type]
        except (SyntaxError, ValueError, RecursionError, MemoryError, SystemError):
            return False
    return True


def compile_module(source: bytes, name: str = "<source>") -> CodeType:
    """Return the code of a module, with assertions and docstrings. Raises as `parse_module` does."""
    code, _ = _compile(source, name, "exec")
    return cast("CodeType", code)


def parse_expression(text: str) -> ast.expr:
    """The tree of an expression. Raises SyntaxError and ValueError."""
    import ast

    tree, _ = _compile(text, "<expression>", "eval", ast.PyCF_ONLY_AST)
    return cast("ast.Expression", tree).body


def have_same_syntax(one: bytes, other: bytes) -> bool:
    """Whether two modules have the same syntax tree, wherever its parts stand.

    Raises as `parse_module` does.
    """
    from _ast import AST, PyCF_ONLY_AST

    trees = [_compile(source, "<source>", "exec", PyCF_ONLY_AST)[0] for source in (one, other)]
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


def _compile(
    source: str | bytes, name: str, mode: str, flags: int = 0
) -> tuple[object, list[warnings.WarningMessage]]:
    import warnings

    with _alone, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for left in reversed(range(_MOST_TRIES)):
            caught.clear()
            try:
                return compile(source, name, mode, flags, dont_inherit=True, optimize=0), caught
            except (RecursionError, MemoryError) as error:
                raise TooDeepError(str(error) or type(error).__name__) from None
            except SystemError:
                if not left:
                    raise
                time.sleep(0.001)
    raise AssertionError("the last try returns or raises")


def literal_value(node: ast.AST) -> object:
    """The value of a literal. Raises ValueError for another expression, or one that has no value."""
    import ast

    try:
        value: object = ast.literal_eval(cast("ast.expr", node))
    except (TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"it has no value: {error}") from None
    return value
