"""Follows factories whose modules have moved."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import partial

from hermpkg_build.core.label import Label
from hermpkg_build.core.syntax_trees import parse_module
from hermpkg_build.core.target import Model
from hermpkg_build.errors import HermpkgError
from hermpkg_build.factories.failures import FactoryError
from hermpkg_build.generate.build_files.edits import replace_value
from hermpkg_build.generate.fixing.draft import Draft
from hermpkg_build.generate.fixing.labels import files_below
from hermpkg_build.loading.declared_modules import module_name


def mend_factories(draft: Draft, errors: Sequence[HermpkgError]) -> bool:
    """Name factories by the modules that they are in now; whether it edited. Raises NotEditableError."""
    changed = False
    for error in errors:
        if not isinstance(error, FactoryError) or not error.target:
            continue
        target = draft.loader.target(Label.parse(error.target))
        assert isinstance(target, Model)
        module, _, function = target.factory.partition(":")
        if "." in function or _has_module(draft, module):
            continue
        places = _modules_with(draft, module, function)
        if len(places) == 1:
            new = f"{places[0]}:{function}"
            changed |= draft.edit_target(
                target,
                partial(replace_value, attribute="factory", old=target.factory, new=new),
            )
    return changed


def _has_module(draft: Draft, name: str) -> bool:
    return any(module_name(path, draft.workspace.source_roots) == name for path in files_below(draft))


def _modules_with(draft: Draft, moved: str, function: str) -> list[str]:
    """The modules of the workspace that define a function or class.

    Where some have the last name of the module that moved, only these.
    """
    found = []
    for path in files_below(draft):
        name = module_name(path, draft.workspace.source_roots) if path.endswith(".py") else None
        if name is not None and _defines(draft.tree.read(draft.loader.packages.directory(path)), function):
            found.append(name)
    alike = [name for name in found if name.rpartition(".")[2] == moved.rpartition(".")[2]]
    return alike or found


def _defines(source: bytes, function: str) -> bool:
    if function.encode() not in source:
        return False
    try:
        tree, _ = parse_module(source)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    kinds = ast.FunctionDef | ast.ClassDef
    return any(isinstance(node, kinds) and node.name == function for node in tree.body)
