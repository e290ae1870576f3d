"""Parses and compiles texts of Python, in one thread at a time."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import ast
    import warnings

ALONE = threading.RLock()
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

    tree, caught = compiled(source, name, "exec", ast.PyCF_ONLY_AST)
    return cast("ast.Module", tree), caught


def compiled(
    source: str | bytes, name: str, mode: str, flags: int = 0
) -> tuple[object, list[warnings.WarningMessage]]:
    """Return what `compile` makes of a text, and its warnings. Raises as `parse_module` does."""
    import warnings

    with ALONE, warnings.catch_warnings(record=True) as caught:
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
