"""Model objects of `model` targets: made in a child process, or recalled with all that they read."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.conditions import FactoryConditions
from hermpkg_build.core.json_codec import JsonFormError, from_json, to_json
from hermpkg_build.engine.action import Action, reasons_to_run
from hermpkg_build.engine.environment import PYTHON_REPOSITORY
from hermpkg_build.engine.results import Status, TargetResult
from hermpkg_build.errors import LoadingError
from hermpkg_build.factories.make import ModelObject, ModelRequest, ObservedFiles, make_model_object
from hermpkg_build.store.action_cache import ActionResult
from hermpkg_build.store.failures import log_corrupt

if TYPE_CHECKING:
    from hermpkg_build.core.digest import Digest
    from hermpkg_build.core.target import Model
    from hermpkg_build.engine.context import TargetContext
    from hermpkg_build.engine.session import Session


_MODEL_VERSION = 5
"""Changes whenever making a model object gives other bytes for the same inputs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuiltModel:
    """A model object, and how it came to be."""

    model: ModelObject
    result: TargetResult


def build_model(session: Session, target: Model) -> BuiltModel:
    """The model object of a `model` target. Raises ActionError where its factory fails."""
    conditions = session.request.conditions or FactoryConditions()
    request = model_request(session, target, conditions)
    action = _action(session, target, request)
    recalled = session.rebuilder.recall(action, session.state_of)
    if recalled:
        complete, result = recalled
        known = _known_model(result)
        if known is not None and _is_whole(session, known):
            model = known
            session.journal.recalled(action.kind, action.subject)
            session.remember(complete)
            return _built(target, model, "cached", ())
    session.journal.started(action.kind, action.subject)
    started_ns = time.time_ns()
    model, where = _make(session, target, request)
    model = replace(model, data_read=_data_read(session, model))
    # The trace names the files in a way that holds on other machines too; their paths here do not.
    kept = replace(model, observed_files=ObservedFiles())
    result = ActionResult(outputs=_outputs(model), facts=to_json(kept))
    discovered = _discovered(session, model)
    moved = _changed_since(started_ns, request, model.observed_files)
    if moved:
        # What the factory read is no longer there to be digested, so nobody may rely on the result.
        session.settled = False
        changed = f"{session.shown(moved)} changed while {target.label} was made"
        session.journal.warn(f"{changed}: build again to be sure of it")
        complete = action.with_inputs(discovered)
    else:
        complete = session.rebuilder.record(action, result, discovered)
    reasons = reasons_to_run(session.inputs_before(complete), complete.inputs)
    session.journal.ran(action.kind, action.subject, reasons, where=where)
    session.remember(complete)
    return _built(target, model, "built", reasons)


def _make(session: Session, target: Model, request: ModelRequest) -> tuple[ModelObject, str]:
    """The model object, and the executor that made it, "" where it was this machine.

    An executor has conditions of its own, so the ones that are asked for can only be had here.
    """
    if session.executor is not None and session.request.conditions is None:
        made = session.executor.make(session, target, request)
        if made is not None:
            return made, session.executor.server
    return make_model_object(request, session.cache.content, cancelled=session.is_cancelled), ""


def _built(target: Model, model: ModelObject, status: Status, reasons: tuple[str, ...]) -> BuiltModel:
    size = sum(digest.size for digest in _outputs(model).values())
    result = TargetResult(
        label=str(target.label),
        path="",
        sha256=model.pickle.hash,
        bytes=size,
        status=status,
        reasons=reasons,
    )
    return BuiltModel(model=model, result=result)


def model_request(context: TargetContext, target: Model, conditions: FactoryConditions) -> ModelRequest:
    """The factory of `target` with everything that it may see."""
    modules = context.modules_of(target.dependencies)
    return ModelRequest(
        label=str(target.label),
        factory=target.factory,
        arguments=target.args,
        seed=target.seed,
        weights=context.absolute(target.weights.path) if target.weights else None,
        modules={module.module: context.absolute(module.path) for module in modules},
        workspace_root=context.workspace.root,
        search_path=context.environment.search_path,
        source_roots=context.workspace.source_roots,
        conditions=conditions,
    )


def _action(session: Session, target: Model, request: ModelRequest) -> Action:
    """The action with the inputs known before the factory runs.

    Modules count by name here: which of them exist decides how imports resolve, whatever is read.
    """
    inputs = {
        "factory": request.factory,
        "args": dumps(request.arguments).decode(),
        "seed": str(request.seed),
        "importable workspace modules": "\n".join(sorted(request.modules)),
        **session.environment_inputs(),
    }
    if session.request.conditions is not None:
        inputs["conditions"] = dumps(to_json(request.conditions)).decode()
    if target.weights is not None:
        inputs[f"weights {target.weights.path}"] = _weights_digest(session, target, target.weights.path)
    return Action(kind="make-model", version=_MODEL_VERSION, subject=str(target.label), inputs=inputs)


def _weights_digest(session: Session, target: Model, path: str) -> str:
    try:
        return session.tree.digest(session.absolute(path)).hash
    except OSError as error:
        raise LoadingError(
            f"the weights of {target.label} cannot be read",
            location=target.location,
            facts=[("weights", path), ("reason", error.strerror or str(error))],
            next_step="check the path and its permissions",
        ) from error


def _discovered(session: Session, model: ModelObject) -> dict[str, str]:
    """What the factory's process asked the file system, by name, with what is there now."""
    names = session.environment.names_of(model.observed_files, session.workspace.root)
    return {name: session.state_of(name) for name in names}


def _data_read(session: Session, model: ModelObject) -> tuple[str, ...]:
    """The files of the environment that were read and are no modules, relative to the search path."""
    environment = session.environment
    names = (environment.name_of(path, session.workspace.root) for path in model.observed_files.read)
    return tuple(
        sorted(
            {
                name[len(PYTHON_REPOSITORY) :]
                for name in names
                if name is not None and name.startswith(PYTHON_REPOSITORY) and not name.endswith(".py")
            }
        )
    )


def _changed_since(started_ns: int, request: ModelRequest, seen: ObservedFiles) -> str:
    """A path that the factory's result depends on and that has changed since it started; "" for none."""
    weights = [request.weights] if request.weights is not None else []
    for path in (*seen.read, *seen.listed, *weights):
        try:
            status = os.stat(path)
        except OSError:
            if path in seen.listed:  # it may never have been there
                continue
            return path
        if max(status.st_mtime_ns, status.st_ctime_ns) >= started_ns:
            return path
    return next((path for path in seen.sought if os.path.isfile(path)), "")


def _outputs(model: ModelObject) -> dict[str, Digest]:
    return {
        "pickle": model.pickle,
        **{f"{key}.storage": storage.digest for key, storage in enumerate(model.storages)},
    }


def _known_model(result: ActionResult) -> ModelObject | None:
    """The model object that a recorded result tells of; None where that is none, or not its outputs'."""
    try:
        model = from_json(ModelObject, result.facts)
    except JsonFormError:
        model = None
    if model is None or _outputs(model) != result.outputs:
        log_corrupt("model object", "its action result")
        return None
    return model


def _is_whole(session: Session, model: ModelObject) -> bool:
    """Whether the store still holds every byte of `model`."""
    content = session.cache.content
    return all(content.path_of(digest) is not None for digest in _outputs(model).values())
