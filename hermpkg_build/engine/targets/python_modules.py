"""Builds `python_modules`, modules and files: checks that they can be read, and that modules parse."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermpkg_build.analysis.module_finder import declared_module
from hermpkg_build.analysis.optional_modules import optional_modules
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.core.target import ModuleTarget
from hermpkg_build.engine.context import Build, Built, NeedTargets, TargetContext
from hermpkg_build.engine.runner import Ran
from hermpkg_build.errors import AnalysisError, GroupedError, Location

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from hermpkg_build.core.target import DeclaredModule, FileTarget, PythonModules, Target
    from hermpkg_build.source.source_facts import SourceFacts


def build_modules(build: Build, target: PythonModules, _: NeedTargets) -> Built:
    """Analyse the modules of a `python_modules` target; its SHA-256 covers them.

    Raises GroupedError with each source that does not parse.
    """
    return _analysed(build, target, build.context.modules_of_target(target.label))


def build_module(build: Build, target: ModuleTarget, _: NeedTargets) -> Built:
    """Analyse one module. Raises GroupedError where it does not parse."""
    return _analysed(build, target, build.context.modules_of_target(target.owner))


def _analysed(build: Build, target: Target, modules: Sequence[DeclaredModule]) -> Built:
    found = facts_of_modules(build.context, target, modules, build.journal.warn)
    digests = {module.path: str(source.digest) for module, source in found}
    build.context.texts.note_listed(str(target.label), [*map(build.context.absolute, digests)])
    return _up_to_date(
        target, Digest(fingerprint(digests).hash, sum(source.digest.size for _, source in found))
    )


def facts_of_modules(
    context: TargetContext,
    target: Target,
    modules: Sequence[DeclaredModule],
    warn: Callable[[str], None],
) -> list[tuple[DeclaredModule, SourceFacts]]:
    """Return the facts of the `modules` of a target; of a module alone, those of its own among them.

    `warn` is told of those that do not parse, but are only imported by the others where that may fail: they
    may be for a newer Python. Raises GroupedError with each other source that does not parse.
    """
    sources = [declared_module(module, context.workspace.root) for module in modules]
    facts = context.facts.facts_of(sources)
    context.resting.note(target.label, [source.path for source in sources])
    found = [*zip(modules, facts, strict=True)]
    if isinstance(target, ModuleTarget):
        found = [(module, each) for module, each in found if module.label == target.label]
    unread = [(module, each.facts.syntax_problem) for module, each in found if each.facts.syntax_problem]
    optional: frozenset[str] = frozenset()
    if unread:
        optional = optional_modules(zip(sources, [each.facts for each in facts], strict=True))
    errors = []
    for module, problem in unread:
        assert problem is not None
        where = Location(module.path, problem.line, problem.column)
        if module.module in optional:
            warn(
                f"{where}: this Python cannot read '{module.module}'; only imports that may fail lead to it:"
                f" {problem.message}"
            )
        else:
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
