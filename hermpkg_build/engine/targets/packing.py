"""Packs the artifacts of `model_package` targets, whose models are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermpkg_build.archive.slices import OtherBytesError
from hermpkg_build.assembly.artifact import ASSEMBLY_VERSION, ArtifactRequest, PackedModel, packed_modules
from hermpkg_build.assembly.module_shelf import record_name
from hermpkg_build.assembly.record_contents import LostContentError
from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.module_roles import Origin, Policy
from hermpkg_build.core.target import ModelPackage
from hermpkg_build.engine.action import Action
from hermpkg_build.engine.context import Build, Built, TargetContext
from hermpkg_build.engine.targets.artifact_contents import artifact_request
from hermpkg_build.engine.targets.artifact_file import ArtifactFile, output_path, root_folder
from hermpkg_build.engine.targets.environment import note_unproven, recording_for
from hermpkg_build.engine.targets.large_artifact import note_large

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from hermpkg_build.core.graph import ModuleNode
    from hermpkg_build.core.label import Label
    from hermpkg_build.factories.request import ModelObject

_VERSION = 6
"""Changes whenever `artifact_request` gives another one for the same target, or it is recorded otherwise."""


def packed_artifact(
    build: Build,
    target: ModelPackage,
    models: Mapping[Label, ModelObject],
    made_again: Callable[[], Mapping[Label, ModelObject]],
) -> Built:
    """Build the artifact of `target`, which holds `models`, by label.

    What the cache has lost, or turns out to hold with other bytes while it is packed, is `made_again`.
    """
    request = _request(build, target, models)
    try:
        return _built(build, target, request)
    except (LostContentError, OtherBytesError) as error:
        build.journal.warn_for_this_build(
            f"{target.label}: {error.summary}: all that the cache holds of it is checked, and made again"
            " where it is damaged"
        )
    build.content.check(_contents_of(request))
    return _built(build, target, _request(build, target, made_again()))


def _request(build: Build, target: ModelPackage, models: Mapping[Label, ModelObject]) -> ArtifactRequest:
    strict_imports, warn = build.request.strict_imports, build.journal.warn
    with build.journal.phase("resolve", str(target.label)):
        return artifact_request(build.context, target, models, warn, strict_imports=strict_imports)


def _contents_of(request: ArtifactRequest) -> Iterator[Digest]:
    """Give what the cache may hold of an artifact."""
    for packed in request.models.values():
        yield from packed.model.contents
    yield from (resource.digest for resource in request.resources.values())


def _built(build: Build, target: ModelPackage, request: ArtifactRequest) -> Built:
    path = output_path(build, target)
    artifact = ArtifactFile(build=build, target=target, request=request, path=path)
    action = _assemble_action(build.context, target, request)
    ran = build.actions.run(action, artifact.assemble, reuse=artifact.recall)
    build.context.texts.note_packed(str(target.label), *_packed_texts(request))
    build.context.sharing.finish(len(request.graph.nodes))
    if request.environment is not None and not recording_for(build.context, target).lock:
        note_unproven(build, target, request.environment)
    note_large(build, target.label, request, ran.value.size)
    return Built.of(target, ran.value, ran, path=build.context.shown(path))


def _packed_texts(request: ArtifactRequest) -> tuple[list[str], list[str]]:
    """Return the files of the workspace that are packed modules, by absolute path, and their records."""
    nodes = [
        node
        for node in packed_modules(request.graph)
        if node.origin is Origin.WORKSPACE and node.name not in request.sources
    ]
    return [node.path for node in nodes], [record_name(node) for node in nodes]


def _assemble_action(context: TargetContext, target: ModelPackage, request: ArtifactRequest) -> Action:
    """Return the action, with an input for everything that can change the artifact's bytes."""
    inputs = {
        "root folder": root_folder(target),
        "Python version": request.python_version,
        "requires": dumps(dict(request.requires)).decode(),
        "distributions": dumps(dict(request.distributions)).decode(),
        "real files": " ".join(request.real_files),
        **({"places of files": dumps([request.root, *request.beside]).decode()} if request.root else {}),
    }
    for distribution in request.environment.distributions if request.environment is not None else ():
        name = f"{distribution.name} {distribution.marker}".rstrip()
        inputs[f"{name} in the environment"] = fingerprint(to_json(distribution)).hash
    for name, stated in request.licenses.items():
        inputs[f"licence of {name}"] = dumps(to_json(stated)).decode()
    texts = context.sharing.texts
    for node in request.graph:
        known = texts.get(node.name)
        # Nodes of one graph that artifacts share are one object each, with one label.
        if known is None or known[0] is not node:
            label = request.labels.get(node.name, "")
            known = texts[node.name] = (node, _name_of(context, node), _state_of(node, label))
        inputs[known[1]] = known[2]
    for record, packed in request.models.items():
        inputs[f"model {packed.origin.label} as {record}"] = _state_of_model(packed)
    for record, resource in request.resources.items():
        name = context.environment.name_of(resource.path) or resource.path
        inputs[f"{name} as {record}"] = resource.digest.hash
    return Action(
        kind="assemble", version=f"{_VERSION} {ASSEMBLY_VERSION}", subject=str(target.label), inputs=inputs
    )


def _name_of(context: TargetContext, node: ModuleNode) -> str:
    """Name a module as people know it: by its file where it is packed, else by its dotted name."""
    if node.policy is Policy.INTERN and node.digest and node.path:
        return context.environment.name_of(node.path) or node.path
    return f"module {node.name}"


def _state_of(node: ModuleNode, label: str) -> str:
    """Return all of a node that reaches the artifact, as a text."""
    words = [node.name, node.policy, node.kind, node.origin, node.distribution, label]
    if node.digest:
        words.append(node.digest.hash)
    return " ".join(str(word) for word in words if word)


def _state_of_model(packed: PackedModel) -> str:
    model, origin = packed.model, packed.origin
    storages = [str(storage.digest) for storage in model.storages]
    beside = [f"{record.name} {record.digest}" for record in model.beside.records]
    return fingerprint(
        [origin.label, origin.factory, origin.computed_on, str(model.pickle), storages, beside]
    ).hash
