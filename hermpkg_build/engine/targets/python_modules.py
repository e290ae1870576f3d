"""Builds `python_modules`, modules and files: checks that they can be read, and that modules parse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermpkg_build.analysis.module_finder import declared_module
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.engine.context import Build, Built, NeedTargets, TargetContext
from hermpkg_build.engine.runner import Ran
from hermpkg_build.errors import AnalysisError, GroupedError, Location

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hermpkg_build.core.target import DeclaredModule, FileTarget, ModuleTarget, PythonModules, Target
    from hermpkg_build.source.source_facts import SourceFacts


def build_modules(build: Build, target: PythonModules, _: NeedTargets) -> Built:
    """Analyse the modules of a `python_modules` target; its SHA-256 covers them.

    Raises GroupedError with each source that does not parse.
    """
    return _analysed(build, target, build.context.modules_of_target(target.label))


def build_module(build: Build, target: ModuleTarget, _: NeedTargets) -> Built:
    """Analyse one module. Raises GroupedError where it does not parse."""
    modules = build.context.modules_of_target(target.owner)
    return _analysed(build, target, [module for module in modules if module.label == target.label])


def _analysed(build: Build, target: Target, modules: Sequence[DeclaredModule]) -> Built:
    found = facts_of_modules(build.context, target, modules)
    digests = {module.path: str(source.digest) for module, source in zip(modules, found, strict=True)}
    return _up_to_date(target, Digest(fingerprint(digests).hash, sum(source.digest.size for source in found)))


def facts_of_modules(
    context: TargetContext, target: Target, modules: Sequence[DeclaredModule]
) -> list[SourceFacts]:
    """Return the facts of modules. Raises GroupedError with each source that does not parse."""
    root = context.workspace.root
    found = context.facts.facts_of([declared_module(module, root) for module in modules])
    errors = []
    for module, source in zip(modules, found, strict=True):
        problem = source.facts.syntax_problem
        if problem:
            where = Location(module.path, problem.line, problem.column)
            errors.append(AnalysisError(problem.message, location=where, snippet=problem.text))
    if errors:
        raise GroupedError(f"{target.label} does not parse", errors)
    return found


def build_file(build: Build, target: FileTarget, _: NeedTargets) -> Built:
    """Digest a file. Raises LoadingError where it cannot be read."""
    path = build.context.absolute(target.label.path)
    digest = build.context.digest(
        target, path, str(target.label), next_step="check the path and its permissions"
    )
    return _up_to_date(target, digest)


def _up_to_date(target: Target, digest: Digest) -> Built:
    return Built.of(target, digest, Ran(value=digest, status="up-to-date"))
