"""Calls that import a module by a name in a string: ``__import__`` and ``importlib.import_module``."""

from __future__ import annotations

from typing import NamedTuple

from hermpkg_build.source.expressions import (
    Tokens,
    arguments,
    dotted,
    text_constant,
    text_constants,
    without_parentheses,
)
from hermpkg_build.source.tokens import Kind


class NamedImport(NamedTuple):
    """The import of a call with constant arguments; the fields are those of `core.import_facts.Import`."""

    module: str
    level: int
    names: tuple[str, ...]


def read_dunder_import(tokens: Tokens) -> NamedImport | None:
    """The import of ``__import__(name, globals, locals, fromlist, level)``; None where it is computed.

    `tokens` are those between the parentheses. A computed `fromlist` is ignored: it can add
    submodules, never another module.
    """
    bound = arguments(tokens, ("name", "globals", "locals", "fromlist", "level"))
    if bound is None or "name" not in bound:
        return None
    name, level = text_constant(bound["name"]), 0
    if "level" in bound:
        number = _integer(bound["level"])
        if number is None:
            return None
        level = number
    if name is None or not (name or level):
        return None
    names = text_constants(bound["fromlist"]) if "fromlist" in bound else None
    return NamedImport(name, level, tuple(names or ()))


def read_import_module(tokens: Tokens) -> NamedImport | None:
    """The import of ``importlib.import_module(name, package)``; None where it is computed.

    The names hold the anchor package where it is constant, and are empty where it is ``__package__`` or
    ``__name__``: the package of the module itself.
    """
    bound = arguments(tokens, ("name", "package"))
    if bound is None or "name" not in bound:
        return None
    name = text_constant(bound["name"])
    if not name:
        return None
    module = name.lstrip(".")
    level = len(name) - len(module)
    anchor = text_constant(bound["package"]) if "package" in bound else None
    if level and not anchor and not _is_own_package(bound.get("package", ())):
        return None
    return NamedImport(module, level, (anchor,) if anchor else ())


def _integer(tokens: Tokens) -> int | None:
    if len(tokens) != 1 or tokens[0].kind is not Kind.NUMBER:
        return None
    try:
        return int(tokens[0].text, 0)
    except ValueError:
        return None


def _is_own_package(tokens: Tokens) -> bool:
    return dotted(without_parentheses(tokens)) in ("__package__", "__name__")
