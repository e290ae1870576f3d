"""Adds an artifact to a workspace that has BUILD files already, in which all that they say stays."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial

from hermpkg_build.core.label import Label
from hermpkg_build.core.starlark_text import CallText
from hermpkg_build.core.target import Model, ModelPackage, Target
from hermpkg_build.errors import CommandLineError
from hermpkg_build.generate.build_files.edits import NotEditableError, add_statement
from hermpkg_build.generate.fixing.draft import Draft
from hermpkg_build.generate.fixing.labels import mend_label
from hermpkg_build.generate.fixing.undeclared import (
    declare_module,
    declare_resources,
    declared_resources,
    files_reached,
)
from hermpkg_build.loading.dependencies import DependencyError, closure
from hermpkg_build.loading.workspace import Workspace
from hermpkg_build.printable import pasteable

_MOST_STEPS = 50


def refuse_taken_name(workspace: Workspace, name: str, factory: str, *, is_asked: bool) -> None:
    """Raise CommandLineError where the root of a workspace has targets of an artifact of that name.

    `factory` is the one that a new artifact has, "" for none. Unless the name `is_asked` for, an artifact of
    the same factory is as good as one of the name: the project may have another name now. Raises LoadingError
    for a BUILD file that cannot be read.
    """
    draft = Draft(workspace)
    if draft.loader.packages.build_file("") is None:
        return
    targets = draft.loader.build_file("").targets
    taken = [each for each in (name, f"{name}_model", f"{name}_test") if each in targets]
    known = [name] if taken else [] if is_asked else [*_artifacts_of(targets, factory)]
    if not known:
        return
    model = targets.get(f"{name}_model")
    other = factory.rpartition(":")[2] if factory else "NAME"
    again = pasteable("hermpkg", "init", factory or "MODULE:FUNCTION", "--name", other)
    if not (factory and taken) or (isinstance(model, Model) and model.factory == factory):
        raise CommandLineError(
            "this project is a workspace with an artifact already",
            facts=[("project", workspace.root)],
            next_step=f"build it: hermpkg //:{known[0]}, or write its files anew: --force, or add another"
            f" one:\n    {again}",
        )
    raise CommandLineError(
        f"//:{taken[0]} is another target of this project",
        facts=[("project", workspace.root)],
        next_step=f"give the artifact a name of its own:\n    {again}",
    )


def _artifacts_of(targets: Mapping[str, Target], factory: str) -> Iterator[str]:
    """The names of the artifacts with a model of a factory, all of the same BUILD file."""
    models = {each.label for each in targets.values() if isinstance(each, Model) and each.factory == factory}
    for name, each in targets.items():
        if isinstance(each, ModelPackage) and not models.isdisjoint(each.models.values()):
            yield name


def joined_texts(
    workspace: Workspace,
    calls: Sequence[CallText],
    name: str,
    used: Collection[str],
    resources: Collection[str],
) -> Mapping[str, str]:
    """The BUILD files that change, by path, with an artifact `name`, which `calls` declare without deps.

    All files that are `used` are reached by its model and itself, and the `resources` by its model. Raises
    NotEditableError where a person must change a file, and LoadingError for one that cannot be read.
    """
    draft = Draft(workspace)
    for call in calls:
        draft.edit(draft.path_of(""), partial(add_statement, call=call))
    model, package = Label("", f"{name}_model"), Label("", name)
    for user in (model, package):
        for file in used:
            _reach(draft, file, user)
    missing = sorted({*resources} - declared_resources(draft, model))
    if missing and not declare_resources(draft, missing, model):
        raise NotEditableError(f"no target of {model} can list {missing[0]} in its resources")
    for user in (model, package):
        _load(draft, user)
    root = os.path.join(workspace.root, "")
    return {path.removeprefix(root): data.decode() for path, data in draft.given().items()}


def _reach(draft: Draft, file: str, user: Label) -> None:
    """Have a target reach a module."""
    for _ in range(_MOST_STEPS):
        _load(draft, user)
        if file in files_reached(draft, user):
            return
        if not declare_module(draft, file, "", user):
            break
    raise NotEditableError(f"no target of {user} can list {file}")


def _load(draft: Draft, user: Label) -> None:
    """Have all that a target depends on be visible to it. Raises DependencyError."""
    for _ in range(_MOST_STEPS):
        error = _hindrance(draft, user)
        if error is None:
            return
        if not mend_label(draft, error):
            raise error


def _hindrance(draft: Draft, user: Label) -> DependencyError | None:
    try:
        closure(draft.loader, [user])
    except DependencyError as error:
        return error
    return None
