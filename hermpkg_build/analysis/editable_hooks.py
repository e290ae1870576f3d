"""Reads the modules that tools write to have projects imported from where they are edited; runs none.

Such a hook says which modules there are and where: in the literals of setuptools, in calls or dictionaries
that pair names with files, or, as meson-python's does, in a plan of what would be installed.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from importlib.machinery import all_suffixes
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.module_names import is_module_name
from hermpkg_build.core.parsed_texts import literal_value
from hermpkg_build.core.syntax_trees import parse_module

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree

_PLAN = os.path.join("meson-info", "intro-install_plan.json")
_INSTALLED = re.compile(r"\{py_(?:pure|plat)lib\}/(.+)")

Paths = dict[str, str]
"""Modules by name, with the path of their file without its suffix, or of their folder."""


def read_hook(source: bytes, tree: SourceTree) -> tuple[Paths, dict[str, list[str]]]:
    """The modules that a hook finds, and its namespace packages with their folders, as far as they show."""
    try:
        module = parse_module(source)[0]
    except (SyntaxError, ValueError):
        return {}, {}
    namespaces = _literal(module, "NAMESPACES")
    mapping = _literal(module, "MAPPING")
    found = {name: path for name, path in mapping.items() if isinstance(path, str)}
    for node in ast.walk(module):
        for name, path in _pairs(node):
            if is_module_name(name) and os.path.isabs(path) and path.endswith(tuple(all_suffixes())):
                found.setdefault(name, _place(path))
        if isinstance(node, ast.Call):
            for folder in filter(os.path.isabs, _texts(node.args)):
                found.update(_planned(os.path.join(folder, _PLAN), tree))
    return found, {name: list(paths) for name, paths in namespaces.items() if isinstance(paths, list | tuple)}


def _literal(module: ast.Module, name: str) -> dict[str, object]:
    """The dictionary that a module assigns to a name; empty where it is not as expected."""
    for statement in module.body:
        match statement:
            case (
                ast.Assign(targets=[ast.Name(id=target)], value=ast.expr() as value)
                | ast.AnnAssign(target=ast.Name(id=target), value=ast.expr() as value)
            ) if target == name:
                try:
                    found = literal_value(value)
                except ValueError:
                    return {}
                return (
                    {key: v for key, v in found.items() if isinstance(key, str)}
                    if isinstance(found, dict)
                    else {}
                )
    return {}


def _pairs(node: ast.AST) -> Iterator[tuple[str, str]]:
    """The texts that a call is given as its two arguments, or that a dictionary pairs."""
    if isinstance(node, ast.Call) and len(node.args) == len(texts := _texts(node.args)) == 2:
        yield texts[0], texts[1]
    if isinstance(node, ast.Dict):
        for key, value in zip(node.keys, node.values, strict=True):
            texts = _texts([part for part in (key, value) if part is not None])
            if len(texts) == 2:
                yield texts[0], texts[1]


def _texts(nodes: list[ast.expr]) -> list[str]:
    return [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]


def _place(path: str) -> str:
    """The path of a module's file without its suffix; the folder, for that of a package."""
    folder, file = os.path.split(path)
    stem = file.partition(".")[0]
    return folder if stem == "__init__" else os.path.join(folder, stem)


def _planned(path: str, tree: SourceTree) -> Paths:
    """The modules of a plan of meson's, which pairs files with the places they would be installed to."""
    try:
        plan: Any = loads(tree.read(path)) if tree.is_file(path) else {}
        files = [(src, target["destination"]) for part in plan.values() for src, target in part.items()]
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    found: Paths = {}
    for src, destination in files:
        for file, record in _below(src, destination, tree):
            installed = _INSTALLED.fullmatch(record)
            if installed and record.endswith(tuple(all_suffixes())):
                found[_place(installed[1]).replace("/", ".")] = _place(file)
    return found


def _below(src: str, destination: str, tree: SourceTree) -> Iterator[tuple[str, str]]:
    entries = None if tree.is_file(src) else tree.entries(src)
    if entries is None:
        yield src, destination
    for name in entries or ():
        yield from _below(os.path.join(src, name), f"{destination}/{name}", tree)
