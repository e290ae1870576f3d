"""Makes the model objects of `model` targets in child processes, or recalls them with all that they read."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import JsonFormError, from_json, to_json
from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import replace
from hermpkg_build.disk.lfs_pointers import HOW_TO_FETCH, is_lfs_pointer
from hermpkg_build.disk.library_paths import library_paths
from hermpkg_build.disk.signatures import mark_of
from hermpkg_build.engine.action import Action
from hermpkg_build.engine.context import Build, Built, NeedTargets, TargetContext
from hermpkg_build.engine.imported_meanwhile import imported_meanwhile
from hermpkg_build.engine.runner import Done, Ran
from hermpkg_build.engine.targets.factory_ahead import begun_ahead
from hermpkg_build.errors import ActionError, AnalysisError
from hermpkg_build.factories.git_head import INDEX
from hermpkg_build.factories.make import make_model_object
from hermpkg_build.factories.processor import describe_platform
from hermpkg_build.factories.request import BASELINE, ModelObject, ModelRequest, ObservedFiles
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.failures import log_corrupt

if TYPE_CHECKING:
    from hermpkg_build.core.target import DeclaredModule, Model
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.engine.targets.factory_ahead import FactoryAhead


_MODEL_VERSION = 24
"""Changes whenever making a model object gives other bytes for the same inputs."""


_SHOWN = 8
_PACKING = (
    "hermpkg_build.engine.targets.packing",
    "hermpkg_build.environment.finding",
    "hermpkg_build.source.imports",
)
"""What a build goes on with once its models are made."""


def build_model(build: Build, target: Model, _: NeedTargets) -> Built:
    """Make the model object of a `model` target. Raises ActionError where its factory fails."""
    request = model_request(build.context, target, build.request.conditions or FactoryConditions())
    action = _action(build, target, request)
    with begun_ahead(build, action, request) as begun:
        ran = build.actions.run(
            action,
            lambda: _make(build, target, request, begun),
            reuse=lambda result: _recalled(build, result),
            state=build.context.state_of,
        )
    for text in _undeclared_reads(build.context, target, ran.value):
        build.journal.warn(f"{target.label}: {text}")
    size = sum(digest.size for digest in _outputs(ran.value).values())
    return Built.of(target, Digest(ran.value.pickle.hash, size), ran, model=ran.value)


def _is_pointer(context: TargetContext, path: str) -> bool:
    """Whether Git LFS has not fetched a file of the workspace that a factory read."""
    try:
        return is_lfs_pointer(context.absolute(path), context.tree.digest(context.absolute(path)).size)
    except OSError:
        return False


def _undeclared_reads(context: TargetContext, target: Model, model: ModelObject) -> Iterator[str]:
    """A text where the factory read files of the workspace that `target` does not declare."""
    declared = {label.path for label, _ in context.resources_of_modules(target)}
    of_git = [path for path in model.workspace_reads if path.startswith(".git/")]
    if of_git:
        yield (
            "the factory asks git for the commit: its model is made again after each, and neither Bazel nor"
            " executors have it\n"
            "  -> where it needs no more than a version, give it that in args"
        )
    if f".git/{INDEX}" in of_git:
        yield (
            "the factory asks git which files it tracks, or whether they are changed: its model is not made"
            " again where only that changes\n"
            "  -> give it that in args, or list the files by glob in the resources of a python_modules target"
        )
    undeclared = [path for path in model.workspace_reads if path not in declared and path not in of_git]
    if undeclared:
        yield (
            f"the factory read files of the workspace that no target among its deps declares:"
            f" {listed(undeclared, _SHOWN)}\n"
            "  -> list them in the resources of a python_modules target among the deps: else they are not in"
            " the artifact, and neither Bazel nor executors have them"
        )
    if pointers := [path for path in undeclared if _is_pointer(context, path)]:
        yield f"the factory read pointers of Git LFS: {listed(pointers, _SHOWN)}\n  -> {HOW_TO_FETCH}"
    missed = [path for path in model.missed if context.tree.has_path(context.absolute(path))]
    if missed:
        yield (
            f"the factory looked for {listed(missed, _SHOWN)} in the folder in which it runs, which has"
            " only what targets declare, and did without\n"
            "  -> list it in the resources of a python_modules target among the deps"
        )


def _make(
    build: Build, target: Model, request: ModelRequest, begun: FactoryAhead | None
) -> Done[ModelObject]:
    with imported_meanwhile(*_PACKING):
        model, where = _made(build, target, request) if begun is None else (begun.result(), "")
    for feature in model.unpinned:
        build.journal.warn(
            f"{target.label}: NumPy chose its kernels by the processor's {feature}, which this version of"
            " hermpkg cannot switch off: computed numbers may differ on other processors"
        )
    names = build.context.environment.names_of(model.observed_files)
    discovered = {name: build.context.state_of(name) for name in names}
    moved = list(dict.fromkeys(_moved(build.context.tree, request, model.observed_files)))
    if moved:
        # What the factory read is no longer there to be digested, so nobody may rely on the result.
        declared = _declared_files(request)
        path = min(moved, key=lambda each: each not in declared)
        changed = f"{build.context.shown(path)} changed while {target.label} was made"
        if path in declared:
            # The artifact would have it as it is now, beside a model that was made with what it was.
            raise ActionError(
                changed,
                location=target.location,
                next_step="build again; where the factory itself writes it, leave it out of its deps",
            )
        build.journal.warn(f"{changed}: build again to be sure of it")
        return Done(value=model, result=None, discovered=discovered, where=where)
    # The trace names the files in a way that holds on other machines too; their paths here do not.
    own = {build.context.shown(path): path for path in model.observed_files.code}
    placed = build.context.code.with_places(model.observed_modules, own)
    kept = replace(model, observed_files=ObservedFiles(), observed_modules=tuple(placed))
    result = ActionResult(outputs=_outputs(model), facts=to_json(kept))
    return Done(value=model, result=result, discovered=discovered, where=where)


def _made(build: Build, target: Model, request: ModelRequest) -> tuple[ModelObject, str]:
    """The model object, and the executor that made it, "" where it was this machine.

    An executor has conditions and a processor of its own, so those that are asked for can only be had here.
    """
    if build.executor is not None and build.request.conditions is None and request.cpu == BASELINE:
        made = build.executor.make(target, request)
        if made is not None:
            return made, build.executor.server
    return make_model_object(request, build.content, children=build.children, warm=build.warm), ""


def model_request(context: TargetContext, target: Model, conditions: FactoryConditions) -> ModelRequest:
    """Describe the factory of `target`, with everything that it may see. Raises AnalysisError."""
    if target.weights is None and (target.weights_key or target.weights_prefix):
        raise AnalysisError(
            f"{target.label} has weights_key or weights_prefix, and no weights",
            location=target.location,
            next_step="name the file that they are about: weights = ...",
        )
    modules = context.modules_of(target.dependencies)
    own = [*context.environment.own_paths, *_paths_with_modules(context, modules)]
    return ModelRequest(
        label=str(target.label),
        factory=target.factory,
        arguments=target.args,
        seed=target.seed,
        weights=context.absolute(target.weights.path) if target.weights else None,
        weights_key=target.weights_key or "",
        weights_prefix=target.weights_prefix or "",
        modules={module.module: context.absolute(module.path) for module in modules},
        workspace_root=context.workspace.root,
        search_path=tuple(path for path in context.environment.search_path if path not in own),
        source_roots=context.workspace.source_roots,
        own_paths=tuple(
            os.path.relpath(path, os.path.realpath(context.workspace.root))
            for path in map(os.path.realpath, own)
        ),
        resources=tuple(sorted({label.path for label, _ in context.resources_of_modules(target)})),
        cpu=target.cpu,
        conditions=conditions,
    )


def _paths_with_modules(context: TargetContext, modules: Sequence[DeclaredModule]) -> list[str]:
    """List the entries of the search path in the workspace that modules of targets lie in."""
    found = []
    root = os.path.join(os.path.realpath(context.workspace.root), "")
    for path in context.environment.search_path:
        inside = os.path.join(os.path.realpath(path), "").removeprefix(root)
        if inside and not os.path.isabs(inside) and any(each.path.startswith(inside) for each in modules):
            found.append(path)
    return found


def _action(build: Build, target: Model, request: ModelRequest) -> Action:
    """Return the action with the inputs that are known before the factory runs.

    Modules count by name here: which of them exist decides how imports resolve, whatever is read.
    """
    inputs = {
        "factory": request.factory,
        "args": dumps(request.arguments).decode(),
        "seed": str(request.seed),
        "cpu": request.cpu if request.cpu == BASELINE else describe_platform(native=True),
        "importable workspace modules": "\n".join(sorted(request.modules)),
        **build.environment_inputs(),
    }
    if paths := library_paths():
        inputs["library paths"] = dumps(paths).decode()
    if build.request.conditions is not None:
        inputs["conditions"] = dumps(to_json(request.conditions)).decode()
    if target.weights is not None:
        path = target.weights.path
        weights = build.context.digest(
            target,
            build.context.absolute(path),
            f"the weights of {target.label}",
            next_step="check the path and its permissions",
        )
        inputs[f"weights {path}"] = weights.hash
        inputs["weights key"], inputs["weights prefix"] = request.weights_key, request.weights_prefix
    action = Action(kind="make-model", version=_MODEL_VERSION, subject=str(target.label), inputs=inputs)
    return action.with_inputs(build.context.declared_resources(target))


def _declared_files(request: ModelRequest) -> frozenset[str]:
    """The files that targets declare, which artifacts can have."""
    resources = (os.path.join(request.workspace_root, path) for path in request.resources)
    weights = [request.weights] if request.weights is not None else []
    return frozenset([*request.modules.values(), *resources, *weights])


def _moved(tree: SourceTree, request: ModelRequest, seen: ObservedFiles) -> Iterator[str]:
    """Find the paths that the factory's result depends on, and that have changed.

    A file has to be the one that the factory was about to read, and what `tree` has digested, which can be
    long before this factory began, has to be there still: it is what is recorded. Where it is not known
    what the factory was about to read, the time of the last change of any kind (ctime) tells: no program
    sets it, while a file's other times can lie in the future, out of an archive or from a machine whose
    clock is fast.
    """
    now_ns = time.time_ns()
    yield from seen.gone
    given = [os.path.join(request.workspace_root, path) for path in request.resources]
    given += [request.weights] if request.weights is not None else []
    files = (*seen.read, *seen.code)
    marks = dict(zip(files, seen.marks, strict=False))
    statuses: dict[str, os.stat_result] = {}
    for path in (*files, *seen.listed, *given):
        try:
            status = statuses[path] = os.stat(path)
        except OSError:
            if path in seen.listed:  # it may never have been there
                continue
            yield path
            continue
        if mark := marks.get(path):
            if mark != mark_of(status):
                yield path
        elif tree.started_ns <= status.st_ctime_ns <= now_ns:
            yield path
    yield from (path for path in seen.sought if os.path.isfile(path))
    looked_at = (*files, *seen.listed, *seen.sought, *given)
    yield from (path for path in looked_at if not tree.is_as_seen(path, statuses.get(path)))


def _outputs(model: ModelObject) -> dict[str, Digest]:
    return {
        "pickle": model.pickle,
        **{f"{key}.storage": storage.digest for key, storage in enumerate(model.storages)},
        **{f"beside {record.name}": record.digest for record in model.beside.records},
    }


def _recalled(build: Build, result: ActionResult) -> Ran[ModelObject] | None:
    """Return the model object of a recorded result; None where it is damaged or partly lost."""
    try:
        model = from_json(ModelObject, result.facts)
    except JsonFormError:
        model = None
    if model is None or _outputs(model) != result.outputs:
        log_corrupt("model object", "its action result")
        return None
    if not all(build.content.path_of(digest) is not None for digest in result.outputs.values()):
        return None
    own = {each.path: build.context.absolute(each.path) for each in model.observed_modules if each.source}
    lined = build.context.code.with_lines(model.observed_modules, own)
    return Ran(value=replace(model, observed_modules=tuple(lined)), status="cached")
