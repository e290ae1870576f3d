"""Tells whether a text is the source of the functions that run: a script may be edited while it runs."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from functools import lru_cache
from types import CodeType, FunctionType


def is_source_of(value: object, text: str, file: str, lines: range) -> bool:
    """Whether the functions of a function or class from `file` are those in some lines of `text`."""
    written: dict[str, list[CodeType]] = {}
    for code in _compiled(text, file):
        if code.co_firstlineno in lines:
            written.setdefault(code.co_name, []).append(code)
    return all(
        any(_same(code, other) for other in written.get(code.co_name, ())) for code in _running(value, file)
    )


@lru_cache(maxsize=8)
def _compiled(text: str, file: str) -> tuple[CodeType, ...]:
    """All functions and classes of a text; it is compiled as a whole, for its imports change their code."""
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    return (*_inner(compile(text, file, "exec", flags=flags, dont_inherit=True)),)


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
