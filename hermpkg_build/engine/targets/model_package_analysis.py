"""What a `model_package` is made of: its roots, and all that they need under its policy."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hermpkg_build.analysis.closure import Closure, Root, close_over, pickle_roots
from hermpkg_build.analysis.distributions import versions_of
from hermpkg_build.analysis.files_read import FilesRead, all_tops, files_read
from hermpkg_build.analysis.module_finder import ModuleFinder
from hermpkg_build.core.distribution_names import normalised
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleNode
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import package_of_init, parent_of, top_of
from hermpkg_build.errors import AnalysisError, GroupedError, Location

if TYPE_CHECKING:
    from hermpkg_build.core.target import ModelPackage
    from hermpkg_build.engine.context import TargetContext
    from hermpkg_build.factories.request import ModelObject


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageAnalysis:
    """The closure of a `model_package`, with what its modules' distributions and labels are.

    `files` are those that its code reads, besides what targets declare.
    """

    closure: Closure
    files: FilesRead
    distributions: Mapping[str, str]
    labels: Mapping[str, str]
    sources: Mapping[str, bytes]


def analyse_package(
    context: TargetContext, target: ModelPackage, models: Mapping[Label, ModelObject]
) -> PackageAnalysis:
    """The modules that `target` needs: from its models' pickles, its `modules`, and its `sources`."""
    sources = _sources_of(target)
    modules = context.modules_of(target.dependencies)
    finder = ModuleFinder(
        tree=context.tree,
        workspace_modules=modules,
        workspace_root=context.workspace.root,
        search_path=context.environment.search_path,
        generated=target.sources,
        source_roots=context.workspace.source_roots,
        declared_by=context.declared_by,
    )
    closure = close_over(
        list(_roots(target, models, sources)),
        target.policy,
        finder,
        context.facts,
        target=str(target.label),
        observed=list(_observed(models)),
    )
    _check_requires(target, finder)
    return PackageAnalysis(
        closure=closure,
        files=_files(context, target, closure, finder, sources, models),
        distributions=versions_of(closure.graph, finder.distributions),
        labels={module.module: str(module.label) for module in modules},
        sources=sources,
    )


def _files(
    context: TargetContext,
    target: ModelPackage,
    closure: Closure,
    finder: ModuleFinder,
    sources: Mapping[str, bytes],
    models: Mapping[Label, ModelObject],
) -> FilesRead:
    def source_of(node: ModuleNode) -> bytes:
        return sources[node.name] if node.name in sources else context.tree.read(node.path)

    found = files_read(
        closure.graph,
        closure.uses_files,
        entries=context.tree.entries,
        source_of=source_of,
        distributions=finder.distributions,
        seen={name for model in models.values() for name in model.data_read},
        located={name for model in models.values() for name in model.located_sources},
    )
    if target.files == "auto":
        return found
    real = all_tops(closure.graph) if target.files == "real" else ()
    return replace(found, real=real)


def _sources_of(target: ModelPackage) -> dict[str, bytes]:
    """The texts of `sources` by dotted name; ``a.__init__`` is the package ``a``."""
    return {package_of_init(name) or name: text.encode() for name, text in target.sources.items()}


def _roots(
    target: ModelPackage, models: Mapping[Label, ModelObject], sources: Mapping[str, bytes]
) -> Iterable[Root]:
    for record, label in target.models.items():
        references = [(reference.module, reference.name) for reference in models[label].globals]
        yield from pickle_roots(record, references, target.location)
    for module in (*target.modules, *sources):
        yield Root(source=str(target.label), module=module, kind=EdgeKind.DECLARED, location=target.location)


def _check_requires(target: ModelPackage, finder: ModuleFinder) -> None:
    """See that what `requires` allows includes what is installed here, which the artifact is built for."""
    if not target.requires:
        return
    from packaging.specifiers import SpecifierSet

    errors = []
    for name, specifier in sorted(target.requires.items()):
        installed = finder.distributions.named(normalised(name))
        if installed and not SpecifierSet(specifier).contains(installed.version, prereleases=True):
            errors.append(
                AnalysisError(
                    f"{target.label} requires {name} {specifier}, and {installed.version} is installed here",
                    location=target.location,
                    next_step=f"install a version that is allowed, or change requires[{name!r}]",
                )
            )
    if errors:
        raise GroupedError(f"{target.label} could not be loaded where it is built", errors)


def _observed(models: Mapping[Label, ModelObject]) -> Iterable[Edge]:
    """The imports that modules were seen to do while the models' factories ran.

    A submodule that a helper of another library imported is its package's, which has the helper
    answer for it: a package that loads its parts on demand may leave that to one.
    """
    for model in models.values():
        for seen in model.observed_modules:
            package = parent_of(seen.module)
            is_helped = seen.by_helper and top_of(seen.importer) != top_of(seen.module)
            for source in (seen.importer, package if is_helped else ""):
                if source:
                    yield Edge(
                        source=source,
                        target=seen.module,
                        kind=EdgeKind.OBSERVED,
                        location=Location(seen.path, seen.line),
                    )
