"""Makes the graph of imports that the artifacts of a build share."""

from __future__ import annotations

from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.analysis.shared_imports import SharedImports
from hermpkg_build.analysis.workspace_modules import WorkspaceModules
from hermpkg_build.core.target import DeclaredModules, PythonModules
from hermpkg_build.errors import HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.engine.context import TargetContext


def imports_of_modules(context: TargetContext) -> SharedImports:
    """Return the imports of all modules of `context`, whose targets are those of the build.

    Targets whose modules cannot be listed are left out: who depends on them is told.
    """
    return context.sharing.imports(partial(_made, context))


def _made(context: TargetContext) -> SharedImports:
    declared: dict[Label, DeclaredModules] = {}
    for label, target in context.targets.items():
        if isinstance(target, PythonModules):
            with suppress(HermpkgError):
                declared[label] = context.modules_of_target(label)
    modules = WorkspaceModules(declared, context.workspace.root)
    finder = ModuleFinder(
        tree=context.tree,
        given=modules,
        workspace_root=context.workspace.root,
        search_path=(*context.environment.search_path, *context.environment.own_paths),
        source_roots=context.workspace.source_roots,
        declared_by=context.declared_by,
    )
    return SharedImports(modules, finder, context.facts)
