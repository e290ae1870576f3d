"""Builds `model_package` targets: the models first, and then what holds them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermpkg_build.core.target import Model
from hermpkg_build.engine.targets.model import build_model
from hermpkg_build.engine.targets.requirements import check_requirements

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.core.target import ModelPackage
    from hermpkg_build.engine.context import Build, Built, NeedTargets
    from hermpkg_build.factories.request import ModelObject


def build_artifact(build: Build, target: ModelPackage, need: NeedTargets) -> Built:
    """Build the artifact of `target`, and the models before it that it holds.

    Raises what `check_requirements` raises, GroupedError with everything that the policy does not settle,
    LocalEnvironmentError where the file cannot be written, CommandLineError where it would take the place of
    an input.
    """
    check_requirements(build.context, target, build.journal.warn)
    models = model_objects(target, need)
    from hermpkg_build.engine.targets.packing import packed_artifact

    def made_again() -> dict[Label, ModelObject]:
        return model_objects(target, lambda labels: [_built_again(build, label, need) for label in labels])

    return packed_artifact(build, target, models, made_again)


def _built_again(build: Build, label: Label, need: NeedTargets) -> Built:
    """Build a model that this build has built: its factory runs only where the cache lacks its bytes."""
    model = build.context.targets[label]
    assert isinstance(model, Model)
    return build_model(build, model, need)


def model_objects(target: ModelPackage, need: NeedTargets) -> dict[Label, ModelObject]:
    """Return the model objects that the artifact of `target` holds, by label; they are built where needed."""
    labels = list(dict.fromkeys(target.models.values()))
    found = zip(labels, need(labels), strict=True)
    return {label: built.model for label, built in found if built.model is not None}
