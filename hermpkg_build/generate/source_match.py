"""Tells whether a text is the source of the functions that run: a script may be edited while it runs."""

from __future__ import annotations
import __future__

import ast
import inspect
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType

_FUTURE_FLAGS = sum({getattr(__future__, name).compiler_flag for name in __future__.all_feature_names})


def is_source_of(value: object, text: str, file: str, lines: range) -> bool:
    """Whether the functions of a function or class from `file` are those in some lines of `text`."""
    return all(
        any(
            code.co_name == other.co_name and other.co_firstlineno in lines and _same(code, other)
            for other in _compiled(text, file, code.co_flags & _FUTURE_FLAGS)
        )
        for code in _running(value, file)
    )


@lru_cache(maxsize=8)
def _compiled(text: str, file: str, futures: int) -> tuple[CodeType, ...]:
    """All functions and classes of a text that runs with some flags of ``__future__``.

    Imports beside them change their code. Thus it is compiled as a whole, as Python does with a script, and
    by its statements, as IPython does with a cell.
    """
    flags = futures | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    tree = ast.parse(text, file)
    parts = [tree, *(ast.Module([statement], []) for statement in tree.body)]
    return tuple(
        code for part in parts for code in _inner(compile(part, file, "exec", flags=flags, dont_inherit=True))
    )


def _running(value: object, file: str) -> Iterator[CodeType]:
    """The code of a function, or of what a class defines itself."""
    parts = [value] if not isinstance(value, type) else list(vars(value).values())
    for part in parts:
        function = getattr(part, "__func__", None) or getattr(part, "fget", None) or part
        if isinstance(function, FunctionType):
            code = inspect.unwrap(function).__code__
            if code.co_filename == file:
                yield code


def _inner(code: CodeType) -> Iterator[CodeType]:
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield part
            yield from _inner(part)


def _same(one: CodeType, other: CodeType) -> bool:
    constants = [
        [part if not isinstance(part, CodeType) else part.co_code for part in code.co_consts]
        for code in (one, other)
    ]
    return (
        one.co_code == other.co_code
        and one.co_names == other.co_names
        and repr(constants[0]) == repr(constants[1])
    )
