"""Gathers what the artifact of a `model_package` holds: modules that its roots need, models, and files."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from hermpkg_build.analysis.advice import build_file_voice
from hermpkg_build.analysis.closure import Closure, Imports, Root, explore, pickle_roots
from hermpkg_build.analysis.distributions import versions_of
from hermpkg_build.analysis.files_read import FilesRead, all_tops, files_read
from hermpkg_build.analysis.left_out import files_left_out, undeclared_files
from hermpkg_build.analysis.license_statements import license_statements
from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.analysis.own_code import own_code_outside
from hermpkg_build.analysis.policy_maker import FollowedImports
from hermpkg_build.analysis.problems import MissingFile
from hermpkg_build.analysis.target_closure import close_over
from hermpkg_build.archive.layout import LICENSES
from hermpkg_build.assembly.artifact import ArtifactRequest, PackedModel, ResourceFile
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleGraph, ModuleNode
from hermpkg_build.core.label import Label
from hermpkg_build.core.manifest import ManifestModel
from hermpkg_build.core.module_names import package_of_init, parent_of, top_of
from hermpkg_build.core.module_roles import Origin, Policy
from hermpkg_build.core.policy import PolicyRule
from hermpkg_build.core.target import Model, ModelPackage
from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.engine.targets.environment import recorded_environment
from hermpkg_build.engine.targets.module_imports import imports_of_modules
from hermpkg_build.engine.targets.real_places import lost_places, real_places
from hermpkg_build.errors import LoadingError, Location

if TYPE_CHECKING:
    from hermpkg_build.engine.context import TargetContext
    from hermpkg_build.factories.request import ModelObject, SavedBeside
    from hermpkg_build.pickles.pickled import GlobalReference


class Labels(Mapping[str, str]):
    """The labels of the workspace modules `own`, by dotted name, as texts."""

    def __init__(self, own: Mapping[str, ModuleSource]) -> None:
        self._own = own

    def __getitem__(self, name: str) -> str:
        source = self._own.get(name)
        if source is None or source.label is None:
            raise KeyError(name)
        return str(source.label)

    def __iter__(self) -> Iterator[str]:
        return (name for name in self._own if name in self)

    def __len__(self) -> int:
        return sum(1 for _ in self)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Analysis:
    """The modules that a `model_package` needs, and how they were found."""

    closure: Closure
    finder: ModuleFinder
    own: Mapping[str, ModuleSource]
    sources: Mapping[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Start:
    """Where the imports of a `model_package` are followed from; the rules `saved` come before its own.

    `own` are the workspace modules that it sees. With `aliases`, which code gave to modules, and without
    sources that no file has, imports are `shared` with other targets.
    """

    roots: Sequence[Root]
    saved: Sequence[PolicyRule]
    observed: Sequence[Edge]
    without_imports: Collection[str]
    finder: ModuleFinder
    own: Mapping[str, ModuleSource]
    sources: Mapping[str, bytes]
    aliases: Collection[str]


def module_graph(
    context: TargetContext, target: ModelPackage, models: Mapping[Label, ModelObject]
) -> ModuleGraph:
    """Return the graph of modules that `target` needs: for its models, `modules` and `sources`.

    Raises GroupedError with everything that its policy does not settle.
    """
    return _analyse(context, target, models).closure.graph


def undeclared_modules(
    context: TargetContext, target: ModelPackage, models: Mapping[Label, ModelObject]
) -> list[MissingFile]:
    """List the files that modules of `target` import in ways that may fail, and that no dependency lists."""
    found = _analyse(context, target, models)
    voice = build_file_voice(str(target.label))
    return undeclared_files(found.closure, target.policy, found.finder, voice)


def artifact_request(
    context: TargetContext,
    target: ModelPackage,
    models: Mapping[Label, ModelObject],
    warn: Callable[[str], None],
    *,
    strict_imports: bool = False,
) -> ArtifactRequest:
    """Gather everything that decides the bytes of the artifact of `target`, which holds `models`.

    `warn` is told of what the artifact will lack; `strict_imports` makes an error of some of that. Raises
    what `module_graph` raises, and LoadingError for a file that cannot be read.
    """
    found = _analyse(context, target, models, warn, strict_imports=strict_imports)
    graph = found.closure.graph
    for text in _own_code_outside(context, target, found):
        warn(f"{target.label}: {text}")
    files = _files_read(context, target, found, models)
    places = real_places(files.real, graph, found.own, _declared_resources(context, target))
    for text in lost_places(places, {path for model in models.values() for path in model.workspace_reads}):
        warn(f"{target.label}: {text}")
    licenses = license_statements(graph, found.finder.distributions, context.tree)
    for path in licenses.unpacked:
        warn(f"{target.label}: the licence file {path!r} is left out: no record can have its name")
    resources = _resources(context, target, files, warn)
    resources.update(_files_of_licenses(context, target, licenses.files))
    return ArtifactRequest(
        graph=graph,
        python_version=target.python_version or context.environment.python_version,
        sources=found.sources,
        models={record: _packed(context, label, models[label]) for record, label in target.models.items()},
        resources=resources,
        licenses=licenses.statements,
        real_files=places.tops,
        root=places.root,
        beside=places.beside,
        labels=Labels(found.own),
        distributions=versions_of(graph, found.finder.distributions),
        environment=recorded_environment(context, target, graph, found.finder.distributions, warn),
        requires=target.requires,
        shelf=context.sharing.shelf,
    )


def _analyse(
    context: TargetContext,
    target: ModelPackage,
    models: Mapping[Label, ModelObject],
    warn: Callable[[str], None] = lambda _: None,
    *,
    strict_imports: bool = False,
) -> _Analysis:
    start = _start(context, target, models)
    finder = start.finder
    closure = close_over(
        start.roots,
        target.policy,
        finder,
        context.facts,
        target=str(target.label),
        saved=start.saved,
        observed=start.observed,
        without_imports=start.without_imports,
        strict_imports=strict_imports,
        shared=partial(_shared, context, start, strict_imports=strict_imports),
        warn=warn,
    )
    context.resting.note(target.label, [node.path for node in closure.graph if node.path])
    return _Analysis(closure=closure, finder=finder, own=start.own, sources=start.sources)


def _shared(
    context: TargetContext, start: _Start, rules: Sequence[PolicyRule], *, strict_imports: bool
) -> Imports | None:
    """Return the imports that other targets have followed by the same rules; None where there can be none."""
    if start.sources:
        return None
    may_lack = () if strict_imports else (Origin.ENVIRONMENT,)
    imports = imports_of_modules(context)
    return imports.imports_for(rules, start.finder, start.own, may_lack=may_lack, aliases=start.aliases)


def imports_of(
    context: TargetContext, target: ModelPackage, models: Mapping[Label, ModelObject]
) -> Callable[[Sequence[PolicyRule]], FollowedImports]:
    """Return what follows the imports of `target`, which holds `models`, by any rules."""
    start = _start(context, target, models)

    def follow(rules: Sequence[PolicyRule]) -> FollowedImports:
        closure, problems = explore(
            start.roots,
            [*start.saved, *rules],
            start.finder,
            context.facts,
            start.observed,
            without_imports=start.without_imports,
            may_lack=(Origin.ENVIRONMENT,),
        )
        return FollowedImports(
            graph=closure.graph,
            problems=problems,
            modules=start.finder,
            distributions=start.finder.distributions,
        )

    return follow


def _start(context: TargetContext, target: ModelPackage, models: Mapping[Label, ModelObject]) -> _Start:
    beside = [model.beside for model in models.values()]
    texts = {name: text for saved in beside for name, text in saved.sources.items()}
    texts.update(target.sources)
    owners = context.sharing.reach.owners(target.dependencies, context.targets).labels
    shared = imports_of_modules(context)
    for label in shared.modules.unlisted(owners):
        context.modules_of_target(label)  # Raises for those that are none.
    own = shared.modules.seen_by(owners)
    aliases = {name: real for model in models.values() for name, real in model.aliases}
    finder = ModuleFinder(
        tree=context.tree,
        given=own,
        workspace_root=context.workspace.root,
        search_path=(),
        generated=texts,
        source_roots=context.workspace.source_roots,
        declared_by=context.declared_by,
        aliases=aliases,
        beside=shared.finder,
        build_names=context.workspace.build_names,
    )
    return _Start(
        roots=list(_roots(target, models)),
        saved=list(_saved_modules(beside)),
        observed=list(_observed(models)),
        without_imports={name for saved in beside for name in saved.without_imports},
        finder=finder,
        own=own,
        aliases=aliases.keys(),
        sources={package_of_init(name) or name: text.encode() for name, text in texts.items()},
    )


def _own_code_outside(context: TargetContext, target: ModelPackage, found: _Analysis) -> Iterable[str]:
    models = [context.targets[label] for label in target.models.values()]
    factories = [model.factory.partition(":")[0] for model in models if isinstance(model, Model)]
    return own_code_outside(found.closure.graph, found.finder, factories, context.workspace.project)


def _files_read(
    context: TargetContext,
    target: ModelPackage,
    analysis: _Analysis,
    models: Mapping[Label, ModelObject],
) -> FilesRead:
    """Find the files that packed code reads, besides what targets declare."""
    graph, sources = analysis.closure.graph, analysis.sources

    def source_of(node: ModuleNode) -> bytes:
        return sources[node.name] if node.name in sources else context.tree.read_for_targets(node.path)

    found = files_read(
        graph,
        analysis.closure.uses_files,
        entries=context.tree.entries,
        source_of=source_of,
        distributions=analysis.finder.distributions,
        seen={name for model in models.values() for name in model.data_read},
        located={name for model in models.values() for name in model.located_sources},
        installed_files=target.installed_files,
    )
    context.texts.note_searched(found.searched)
    context.texts.note_read(found.read)
    if found.unmatched:
        raise _no_such_files(target, found)
    if target.files == "auto":
        return found
    return replace(found, real=all_tops(graph) if target.files == "real" else ())


def _no_such_files(target: ModelPackage, files: FilesRead) -> LoadingError:
    facts = [("glob", glob) for glob in files.unmatched]
    if files.libraries:
        facts.append(("libraries", listed(files.libraries, 5)))
    return LoadingError(
        f"installed_files of {target.label} match no file of a packed distribution",
        location=target.location,
        facts=facts,
        next_step="write paths from the folder that distributions are installed in, such as lib/lib*.so; "
        "files of distributions that stay outside are not packed",
    )


def _packed(context: TargetContext, label: Label, model: ModelObject) -> PackedModel:
    target = context.targets[label]
    assert isinstance(target, Model)
    computed_on = "" if target.weights else model.computed_on
    origin = ManifestModel(label=str(label), factory=target.factory, computed_on=computed_on)
    return PackedModel(model=model, origin=origin)


def _resources(
    context: TargetContext, target: ModelPackage, files: FilesRead, warn: Callable[[str], None]
) -> dict[str, ResourceFile]:
    """Gather files that are packed as they are: the target's, its modules', and data `files`; by record."""
    wanted = {
        record: (context.absolute(label.path), f"the resource {record} of {target.label}")
        for record, label in target.resources.items()
    }
    for label, cause in context.resources_of_modules(target):
        wanted.setdefault(context.module_path(label.path), (context.absolute(label.path), cause))
    for record, path in files.data.items():
        wanted.setdefault(record, (path, f"the data file {record}"))
    # Weights were read beside the factory, and their tensors are in the models.
    models = [context.targets[label] for label in target.models.values()]
    weights = [one.weights.path for one in models if isinstance(one, Model) and one.weights]
    inside = {*wanted, *map(context.module_path, weights)}
    for text in files_left_out(files, inside, str(target.label)):
        warn(f"{target.label}: {text}")
    return {
        record: ResourceFile(path=path, digest=context.resource_digest(target, path, cause), cause=cause)
        for record, (path, cause) in wanted.items()
    }


def _files_of_licenses(
    context: TargetContext, target: ModelPackage, files: Mapping[str, str]
) -> Iterable[tuple[str, ResourceFile]]:
    """Give the licence files of distributions, by record."""
    for record, path in files.items():
        cause = f"the licence file {record.removeprefix(LICENSES)}"
        digest = context.resource_digest(target, path, cause)
        yield record, ResourceFile(path=path, digest=digest, cause=cause)


def _declared_resources(context: TargetContext, target: ModelPackage) -> dict[str, str]:
    """The workspace paths of the resources of modules, by record."""
    return {context.module_path(label.path): label.path for label, _ in context.resources_of_modules(target)}


def _saved_modules(beside: Sequence[SavedBeside]) -> Iterable[PolicyRule]:
    """Intern what the objects of models saved, before any rule is asked."""
    names = [package_of_init(name) or name for saved in beside for name in (*saved.sources, *saved.modules)]
    if names:
        yield PolicyRule(policy=Policy.INTERN, include=tuple(dict.fromkeys(names)), allow_empty=True)


def _roots(target: ModelPackage, models: Mapping[Label, ModelObject]) -> Iterable[Root]:
    for record, label in target.models.items():
        yield from _pickle_roots(record, models[label].globals, target)
    for label, model in models.items():
        beside = model.beside
        for saved in beside.records:
            yield from _pickle_roots(saved.name, saved.globals, target)
        for module in (*beside.sources, *beside.modules, *beside.dependencies):
            yield _declared(str(label), module, target)
    for module in (*target.modules, *target.sources):
        yield _declared(str(target.label), module, target)


def _pickle_roots(
    record: str, globals_of_pickle: Iterable[GlobalReference], target: ModelPackage
) -> Iterable[Root]:
    references = [(reference.module, reference.name) for reference in globals_of_pickle]
    return pickle_roots(record, references, target.location)


def _declared(source: str, module: str, target: ModelPackage) -> Root:
    name = package_of_init(module) or module
    return Root(source=source, module=name, kind=EdgeKind.DECLARED, location=target.location)


def _observed(models: Mapping[Label, ModelObject]) -> Iterable[Edge]:
    """Give the imports that modules were seen to do while the models' factories ran.

    A submodule that a helper of another library imported counts as an import of its package too, on whose
    behalf the helper acts: a package that loads its parts on demand may leave that to a library.
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
