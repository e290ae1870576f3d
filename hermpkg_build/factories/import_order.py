"""Guesses from their sources which modules of the environment workspace modules import, and in what order."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from hermpkg_build.core.module_names import ModuleName, parents_of
from hermpkg_build.core.syntax_trees import parse_module

_MOST_MODULES = 200
"""After so many modules, what they import first has been seen."""


def guess_roots(module: str, modules: Mapping[str, str]) -> tuple[str, ...]:
    """Guess what importing `module` imports of the environment, first things first.

    `modules` maps the names of the workspace's modules to their files. What statements of modules do is
    followed, not what functions, conditions or other libraries do.
    """
    roots: dict[str, None] = {}
    seen: set[str] = set()

    def visit(name: str) -> None:
        for each in (*reversed(list(parents_of(ModuleName(name)))), name):
            if each in modules and each not in seen and len(seen) < _MOST_MODULES:
                seen.add(each)
                for imported, parts in _imports(each, modules[each]):
                    if imported in modules or any(other.startswith(f"{imported}.") for other in modules):
                        visit(imported)
                        for part in parts:
                            visit(f"{imported}.{part}")
                    elif imported.partition(".")[0] not in sys.stdlib_module_names:
                        for outer in (*reversed(list(parents_of(ModuleName(imported)))), imported):
                            roots[outer] = None

    visit(module)
    return tuple(roots)


def _imports(name: str, path: str) -> Iterator[tuple[str, Sequence[str]]]:
    """The modules that statements at the top of a source import, with the names taken from them."""
    try:
        tree, _ = parse_module(Path(path).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return
    package = name if path.endswith("__init__.py") else name.rpartition(".")[0]
    for statement in _at_top(tree.body):
        if isinstance(statement, ast.Import):
            yield from ((alias.name, ()) for alias in statement.names)
        elif isinstance(statement, ast.ImportFrom):
            base = (
                package.split(".")[: len(package.split(".")) - statement.level + 1] if statement.level else []
            )
            source = ".".join([*base, *([statement.module] if statement.module else [])])
            yield source, [alias.name for alias in statement.names]


def _at_top(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    for statement in body:
        yield statement
        if isinstance(statement, ast.Try | ast.With):
            yield from _at_top(statement.body)
