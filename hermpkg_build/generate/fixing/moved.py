"""Follows modules that have moved, where BUILD files name them."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from functools import partial

from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.analysis.unsettled import UnsettledPolicyError
from hermpkg_build.core.label import Label
from hermpkg_build.core.syntax_trees import parse_module
from hermpkg_build.core.target import Model, ModelPackage
from hermpkg_build.errors import HermpkgError
from hermpkg_build.factories.failures import FactoryError
from hermpkg_build.generate.build_files.edits import replace_value
from hermpkg_build.generate.fixing.draft import Draft
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
        if "." in function or _is_found(draft, module):
            continue
        places = _modules_with(draft, module, function)
        if len(places) == 1:
            new = f"{places[0]}:{function}"
            changed |= draft.edit_target(
                target,
                partial(replace_value, attribute="factory", old=target.factory, new=new),
            )
    return changed


def mend_modules(draft: Draft, error: UnsettledPolicyError) -> bool:
    """Name the modules of a package by the names that they have now; whether it edited.

    Raises NotEditableError.
    """
    target = draft.loader.target(Label.parse(error.target))
    assert isinstance(target, ModelPackage)
    gone = [
        problem.module
        for problem in error.plan.left
        if problem.source is None and problem.module in target.modules
    ]
    changed = False
    for name in gone:
        places = [each for each in _modules(draft).values() if _last(each) == _last(name) and each != name]
        if len(places) == 1:
            changed |= draft.edit_target(
                target, partial(replace_value, attribute="modules", old=name, new=places[0])
            )
    return changed


def _modules(draft: Draft) -> dict[str, str]:
    """The names of the modules of the workspace, by their paths."""
    roots = draft.workspace.source_roots
    paths = [path for path in draft.loader.packages.files() if path.endswith(".py")]
    return {path: name for path in paths if (name := module_name(path, roots)) is not None}


def _last(name: str) -> str:
    return name.rpartition(".")[2]


def _is_found(draft: Draft, name: str) -> bool:
    """Whether there is a module of this name, in the workspace or installed."""
    finder = ModuleFinder(
        tree=draft.tree,
        workspace_modules=(),
        workspace_root=draft.workspace.root,
        search_path=environment_search_path(),
    )
    return name in _modules(draft).values() or finder.find(name) is not None


def _modules_with(draft: Draft, moved: str, function: str) -> list[str]:
    """The modules of the workspace that define a function or class.

    Where some have the last name of the module that moved, only these.
    """
    found = [
        name
        for path, name in _modules(draft).items()
        if _defines(draft.tree.read(draft.loader.packages.directory(path)), function)
    ]
    return [name for name in found if _last(name) == _last(moved)] or found


def _defines(source: bytes, function: str) -> bool:
    if function.encode() not in source:
        return False
    try:
        tree, _ = parse_module(source)
    except (SyntaxError, ValueError):
        return False
    kinds = ast.FunctionDef | ast.ClassDef
    return any(isinstance(node, kinds) and node.name == function for node in tree.body)
