"""Artifacts of `model_package` targets: roots, closure, layout, and the file in its place."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

from hermpkg_build.archive.writer import write_archive
from hermpkg_build.assembly.artifact import (
    ASSEMBLY_VERSION,
    ArtifactRequest,
    PackedModel,
    ResourceFile,
    lay_out,
)
from hermpkg_build.assembly.portability import portability_notes
from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.core.graph import ModuleNode
from hermpkg_build.core.label import Label
from hermpkg_build.core.policy import Policy
from hermpkg_build.core.target import Model, ModelPackage
from hermpkg_build.engine.action import Action
from hermpkg_build.engine.context import Built
from hermpkg_build.engine.results import TargetResult
from hermpkg_build.engine.runner import Done, Ran
from hermpkg_build.engine.targets.model_package_analysis import PackageAnalysis, analyse_package
from hermpkg_build.errors import AnalysisError, CommandLineError, LocalEnvironmentError
from hermpkg_build.store.action_cache import ActionResult

if TYPE_CHECKING:
    from hermpkg_build.assembly.record_contents import Contents
    from hermpkg_build.engine.context import Build, NeedTargets, TargetContext
    from hermpkg_build.engine.journal import Journal
    from hermpkg_build.factories.request import ModelObject

_VERSION = 3
"""Changes whenever this module gives another request for the same target, or records it in another way."""


def build_package(build: Build, target: ModelPackage, need: NeedTargets) -> Built:
    """The artifact of `target`, in its place, once the models are built that it holds.

    Raises GroupedError with everything that the policies do not settle, LocalEnvironmentError
    where the file cannot be written, CommandLineError where it would take the place of an input.
    """
    models = model_objects(target, need)
    analysis = analyse_package(build.context, target, models)
    request = artifact_request(build.context, target, models, analysis)
    path = _output_path(build, target)
    ran = build.actions.run(
        _assemble_action(build.context, target, request),
        lambda: _assemble(build, target, request, path),
        reuse=lambda result: _in_place(build, target, request, path, result),
    )
    build.notes.keep_artifact(str(target.label), path, ran.value)
    result = TargetResult(
        label=str(target.label),
        path=build.context.shown(path),
        sha256=ran.value.hash,
        bytes=ran.value.size,
        status=ran.status,
        reasons=ran.reasons,
    )
    build.journal.target(result)
    return Built(result=result)


def model_objects(target: ModelPackage, need: NeedTargets) -> dict[Label, ModelObject]:
    """The model objects that the artifact holds, by label."""
    labels = list(dict.fromkeys(target.models.values()))
    found = zip(labels, need(labels), strict=True)
    return {label: built.model for label, built in found if built.model is not None}


def _output_path(build: Build, target: ModelPackage) -> str:
    """Where the artifact goes. Raises CommandLineError where it would overwrite what it is made of."""
    context = build.context
    default = os.path.join(OUTPUT_FOLDER, target.label.package, target.output)
    path = build.request.out or context.absolute(default)
    if not context.tree.observed_files().keys().isdisjoint((path, os.path.realpath(path))):
        raise CommandLineError(
            "the artifact would overwrite a file that the build has read",
            facts=[("file", context.shown(path))],
            next_step="give another file with --out",
        )
    return path


def _assemble(build: Build, target: ModelPackage, request: ArtifactRequest, path: str) -> Done[Digest]:
    digest = _write(build, target, request, path)
    # The artifact is where the target wants it, not in the content store; so it is no output there.
    return Done(value=digest, result=ActionResult(outputs={}, facts={"artifact": str(digest)}))


def _in_place(
    build: Build, target: ModelPackage, request: ArtifactRequest, path: str, result: ActionResult
) -> Ran[Digest] | None:
    """The artifact that a recorded result tells of, in its place; None where that cannot be had again."""
    known = _known_artifact(result)
    if known is None:
        return None
    if build.notes.is_in_place(str(target.label), path, known):
        return Ran(value=known, status="up-to-date")
    if _write(build, target, request, path) == known:
        return Ran(value=known, status="cached")
    build.journal.warn(
        f"{target.label}: an earlier build gave other bytes for the same inputs (sha256 {known.hash[:16]})\n"
        f"  -> hermpkg verify --rebuild {target.label} looks for what makes them differ"
    )
    return None


def _known_artifact(result: ActionResult) -> Digest | None:
    """The artifact that a recorded result tells of; None where it tells of none."""
    try:
        return Digest.parse(cast("Mapping[str, str]", result.facts)["artifact"])
    except (KeyError, TypeError, ValueError):
        return None


def artifact_request(
    context: TargetContext,
    target: ModelPackage,
    models: Mapping[Label, ModelObject],
    analysis: PackageAnalysis,
) -> ArtifactRequest:
    """Everything that decides the bytes of the artifact of `target`. Raises LoadingError for a lost file."""
    packed = {record: _packed(context, label, models[label]) for record, label in target.models.items()}
    return ArtifactRequest(
        graph=analysis.closure.graph,
        python_version=target.python_version or context.environment.python_version,
        sources=analysis.sources,
        models=packed,
        resources=_resources(context, target, analysis),
        real_files=analysis.files.real,
        labels=analysis.labels,
        distributions=analysis.distributions,
        requires=target.requires,
    )


def _packed(context: TargetContext, label: Label, model: ModelObject) -> PackedModel:
    target = context.targets[label]
    assert isinstance(target, Model)
    return PackedModel(
        model=model,
        label=str(label),
        factory=target.factory,
        computed_on="" if target.weights else model.computed_on,
    )


def _resources(
    context: TargetContext, target: ModelPackage, analysis: PackageAnalysis
) -> dict[str, ResourceFile]:
    """The files that go in as they are, by record: the target's own, those of its modules, and data files."""
    wanted = {
        record: (context.absolute(label.path), f"the resource {record} of {target.label}")
        for record, label in target.resources.items()
    }
    for owner in context.python_modules(target.dependencies):
        for label in owner.resources:
            found = (context.absolute(label.path), f"the resource {label} of {owner.label}")
            wanted.setdefault(context.module_path(label.path), found)
    for record, path in analysis.files.data.items():
        wanted.setdefault(record, (path, f"the data file {record}"))
    next_step = "create the file, or take it out of resources"
    return {
        record: ResourceFile(
            path=path, digest=context.digest(target, path, cause, next_step=next_step), cause=cause
        )
        for record, (path, cause) in wanted.items()
    }


def _assemble_action(context: TargetContext, target: ModelPackage, request: ArtifactRequest) -> Action:
    """The action with one input for everything that can change the artifact's bytes."""
    inputs = {
        "root folder": _root_folder(target),
        "Python version": request.python_version,
        "requires": dumps(dict(request.requires)).decode(),
        "distributions": dumps(dict(request.distributions)).decode(),
        "real files": " ".join(request.real_files),
    }
    for node in request.graph:
        inputs[_name_of(context, node)] = _state_of(node, request.labels.get(node.name, ""))
    for record, packed in request.models.items():
        inputs[f"model {packed.label} as {record}"] = _state_of_model(packed)
    for record, resource in request.resources.items():
        name = context.environment.name_of(resource.path) or resource.path
        inputs[f"{name} as {record}"] = resource.digest.hash
    return Action(
        kind="assemble", version=f"{_VERSION} {ASSEMBLY_VERSION}", subject=str(target.label), inputs=inputs
    )


def _name_of(context: TargetContext, node: ModuleNode) -> str:
    """A module as a reader knows it: its file where it is packed, else its dotted name."""
    if node.policy is Policy.INTERN and node.digest and node.path:
        return context.environment.name_of(node.path) or node.path
    return f"module {node.name}"


def _state_of(node: ModuleNode, label: str) -> str:
    """All of a node that reaches the artifact."""
    words = [node.name, node.policy, node.kind, node.origin, node.distribution, label]
    if node.digest:
        words.append(node.digest.hash)
    return " ".join(str(word) for word in words if word)


def _state_of_model(packed: PackedModel) -> str:
    storages = [str(storage.digest) for storage in packed.model.storages]
    return fingerprint(
        [packed.label, packed.factory, packed.computed_on, str(packed.model.pickle), storages]
    ).hash


def _root_folder(target: ModelPackage) -> str:
    """The artifact's root folder: the target's name, which is the same whatever the file is called."""
    return target.label.name.replace("/", "_")


def _write(build: Build, target: ModelPackage, request: ArtifactRequest, path: str) -> Digest:
    folder = os.path.dirname(path)
    try:
        os.makedirs(folder, exist_ok=True)
    except OSError as error:
        raise LocalEnvironmentError(
            f"there can be no folder for the artifact of {target.label}",
            facts=[("folder", folder), ("reason", error.strerror or str(error))],
            next_step="remove what stands in its place, or write elsewhere with --out FILE",
        ) from error
    return write_artifact(target, path, request, build.content, build.journal)


def write_artifact(
    target: ModelPackage, path: str, request: ArtifactRequest, content: Contents, journal: Journal
) -> Digest:
    """Lay the artifact of `target` out and write it to `path`; what `lay_out` raises."""
    try:
        records = lay_out(request, content)
    except AnalysisError as error:
        error.location = error.location or target.location
        raise
    externs = [node.name for node in request.graph.with_policy(Policy.EXTERN)]
    for note in portability_notes([record.name for record in records], externs):
        journal.warn(f"{target.label}: {note}")
    return write_archive(path, root=_root_folder(target), records=records)
