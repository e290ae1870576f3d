"""Artifacts of `model_package` targets: roots, closure, layout, and the file in its place."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from hermpkg_build.analysis.closure import Closure, Root, close_over
from hermpkg_build.analysis.distributions import normalised
from hermpkg_build.analysis.modules import ModuleFinder
from hermpkg_build.archive.writer import write_archive
from hermpkg_build.assembly.artifact import (
    ASSEMBLY_VERSION,
    ArtifactRequest,
    PackedModel,
    ResourceFile,
    lay_out,
)
from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.core.graph import Edge, EdgeKind, ModuleNode
from hermpkg_build.core.label import Label
from hermpkg_build.core.policy import Policy, PolicyRule
from hermpkg_build.engine.action import Action, reasons_to_run
from hermpkg_build.engine.facts import FactsWithSources
from hermpkg_build.engine.results import Status, TargetResult
from hermpkg_build.errors import AnalysisError, GroupedError, LoadingError, Location
from hermpkg_build.store.action_cache import ActionResult

if TYPE_CHECKING:
    from hermpkg_build.core.target import Target
    from hermpkg_build.engine.session import Session
    from hermpkg_build.objects.model import ModelObject

_VERSION = 1
"""Changes whenever this module gives another request for the same target."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageAnalysis:
    """The closure of a `model_package`, with what its modules' distributions and labels are."""

    closure: Closure
    distributions: Mapping[str, str]
    labels: Mapping[str, str]
    sources: Mapping[str, bytes]


def build_package(session: Session, target: Target, models: Mapping[Label, ModelObject]) -> TargetResult:
    """The artifact of `target`, in its place; `models` are the model objects it holds, by label.

    Raises GroupedError with everything that the policies do not settle, LocalEnvironmentError
    where the file cannot be written.
    """
    analysis = analyse_package(session, target, models)
    request = _artifact_request(session, target, models, analysis)
    action = _assemble_action(session, target, request)
    path = session.output_path(target)
    recalled = session.rebuilder.recall(action)
    known = recalled[1].outputs.get("artifact") if recalled else None
    reasons: tuple[str, ...] = ()
    if known:
        in_place = session.is_in_place(action, path, known)
        digest = known if in_place else _write(session, target, path, request)
        session.journal.recalled(action.kind, action.subject)
        status: Status = "up-to-date" if in_place else "cached"
    else:
        session.journal.started(action.kind, action.subject)
        digest = _write(session, target, path, request)
        reasons = reasons_to_run(session.inputs_before(action), action.inputs)
        session.journal.ran(action.kind, action.subject, reasons)
        session.rebuilder.record(action, ActionResult(outputs={"artifact": digest}, facts=None))
        status = "built"
    session.remember(action, path, digest)
    session.outputs[path] = digest
    return TargetResult(
        label=str(target.label),
        path=session.shown(path),
        sha256=digest.hash,
        bytes=digest.size,
        status=status,
        reasons=reasons,
    )


def analyse_package(session: Session, target: Target, models: Mapping[Label, ModelObject]) -> PackageAnalysis:
    """The modules that `target` needs: from its models' pickles, its `modules`, and its `sources`."""
    sources = _sources_of(target)
    modules = session.workspace_modules(target)
    finder = ModuleFinder(
        tree=session.tree,
        workspace_modules=modules,
        workspace_root=session.workspace.root,
        search_path=session.environment.search_path,
        generated=cast("Mapping[str, str]", target.attributes["sources"]),
        source_roots=session.workspace.source_roots,
        declared_by=session.declared_by,
    )
    closure = close_over(
        list(_roots(target, models, sources)),
        cast("tuple[PolicyRule, ...]", target.attributes["policy"]),
        finder,
        FactsWithSources(session.facts, sources),
        target=str(target.label),
        observed=list(_observed(models)),
    )
    _check_requires(target, finder)
    return PackageAnalysis(
        closure=closure,
        distributions=_versions(finder, closure.graph),
        labels={module.module: str(module.label) for module in modules},
        sources=sources,
    )


def _sources_of(target: Target) -> dict[str, bytes]:
    """The texts of `sources` by dotted name; ``a.__init__`` is the package ``a``."""
    texts = cast("Mapping[str, str]", target.attributes["sources"])
    return {name.removesuffix(".__init__"): text.encode() for name, text in texts.items()}


def _roots(
    target: Target, models: Mapping[Label, ModelObject], sources: Mapping[str, bytes]
) -> Iterable[Root]:
    for record, label in models_of(target).items():
        for module in sorted({reference.module for reference in models[label].globals}):
            yield Root(source=record, module=module, kind=EdgeKind.PICKLE, location=target.location)
    for module in (*cast("tuple[str, ...]", target.attributes["modules"]), *sources):
        yield Root(source=str(target.label), module=module, kind=EdgeKind.DECLARED, location=target.location)


def _check_requires(target: Target, finder: ModuleFinder) -> None:
    """See that what `requires` allows includes what is installed here, which the artifact is built for."""
    requires = cast("Mapping[str, str]", target.attributes["requires"])
    if not requires:
        return
    from packaging.specifiers import SpecifierSet

    errors = []
    for name, specifier in sorted(requires.items()):
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
    """The imports that modules were seen to do while the models' factories ran."""
    for model in models.values():
        for seen in model.observed_modules:
            if seen.importer:
                yield Edge(
                    source=seen.importer,
                    target=seen.module,
                    kind=EdgeKind.OBSERVED,
                    location=Location(seen.path, seen.line),
                )


def _versions(finder: ModuleFinder, graph: Iterable[ModuleNode]) -> dict[str, str]:
    """The versions of the distributions that the graph's modules belong to, by normalised name."""
    names = sorted({node.distribution for node in graph if node.distribution})
    found = {name: finder.distributions.named(name) for name in names}
    return {name: distribution.version for name, distribution in found.items() if distribution}


def _artifact_request(
    session: Session, target: Target, models: Mapping[Label, ModelObject], analysis: PackageAnalysis
) -> ArtifactRequest:
    attributes = target.attributes
    packed = {
        record: PackedModel(
            model=models[label],
            label=str(label),
            factory=str(session.targets[label].attributes["factory"]),
        )
        for record, label in models_of(target).items()
    }
    return ArtifactRequest(
        graph=analysis.closure.graph,
        python_version=str(attributes["python_version"] or session.environment.python_version),
        sources=analysis.sources,
        models=packed,
        resources=_resources(session, target),
        labels=analysis.labels,
        distributions=analysis.distributions,
        requires=cast("Mapping[str, str]", attributes["requires"]),
    )


def _resources(session: Session, target: Target) -> dict[str, ResourceFile]:
    """The files that go in as they are: the target's own, and those of the modules it depends on."""
    own = cast("Mapping[str, Label]", target.attributes["resources"])
    wanted = {record: (label, f"the resource {record} of {target.label}") for record, label in own.items()}
    for owner in session.dependencies(target):
        if session.targets[owner].rule != "python_modules":
            continue
        for label in cast("tuple[Label, ...]", session.targets[owner].attributes["resources"]):
            record = session.module_path(label.path)
            wanted.setdefault(record, (label, f"the resource {label} of {owner}"))
    return {record: _resource(session, target, label, cause) for record, (label, cause) in wanted.items()}


def _resource(session: Session, target: Target, label: Label, cause: str) -> ResourceFile:
    path = session.absolute(label.path)
    try:
        return ResourceFile(path=path, digest=session.tree.digest(path), cause=cause)
    except OSError as error:
        raise LoadingError(
            f"{cause} cannot be read",
            location=target.location,
            facts=[("file", label.path), ("reason", error.strerror or str(error))],
            next_step="create the file, or take it out of resources",
        ) from error


def _assemble_action(session: Session, target: Target, request: ArtifactRequest) -> Action:
    """The action with one input for everything that can change the artifact's bytes."""
    inputs = {
        "root folder": _root_folder(target),
        "Python version": request.python_version,
        "requires": dumps(dict(request.requires)).decode(),
        "distributions": dumps(dict(request.distributions)).decode(),
    }
    for node in request.graph:
        inputs[_name_of(session, node)] = _state_of(node, request.labels.get(node.name, ""))
    for record, packed in request.models.items():
        inputs[f"model {packed.label} as {record}"] = _state_of_model(packed)
    for record, resource in request.resources.items():
        name = session.environment.name_of(resource.path, session.workspace.root) or resource.path
        inputs[f"{name} as {record}"] = resource.digest.hash
    return Action(
        kind="assemble", version=f"{_VERSION} {ASSEMBLY_VERSION}", subject=str(target.label), inputs=inputs
    )


def _name_of(session: Session, node: ModuleNode) -> str:
    """A module as a reader knows it: its file where it is packed, else its dotted name."""
    if node.policy is Policy.INTERN and node.digest and node.path:
        return session.environment.name_of(node.path, session.workspace.root) or node.path
    return f"module {node.name}"


def _state_of(node: ModuleNode, label: str) -> str:
    """All of a node that reaches the artifact."""
    words = [node.name, node.policy, node.kind, node.origin, node.distribution, label]
    if node.digest:
        words.append(node.digest.hash)
    return " ".join(str(word) for word in words if word)


def _state_of_model(packed: PackedModel) -> str:
    storages = [str(storage.digest) for storage in packed.model.storages]
    return fingerprint([packed.label, packed.factory, str(packed.model.pickle), storages]).hash


def _root_folder(target: Target) -> str:
    """The artifact's root folder: the target's name, which is the same whatever the file is called."""
    return target.label.name.replace("/", "_")


def _write(session: Session, target: Target, path: str, request: ArtifactRequest) -> Digest:
    os.makedirs(os.path.dirname(path), exist_ok=True)
    records = lay_out(request, session.cache.content)
    return write_archive(path, root=_root_folder(target), records=records)


def models_of(target: Target) -> dict[str, Label]:
    """The record name of each model in the artifact of `target`, with the model's label."""
    return dict(cast("Mapping[str, Label]", target.attributes["models"]))
