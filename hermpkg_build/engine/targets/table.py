"""The table of how targets of each type are built."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from hermpkg_build.core.label import Label
from hermpkg_build.core.target import (
    FileTarget,
    Model,
    ModelPackage,
    ModuleTarget,
    PackageTest,
    PythonModules,
    Target,
)
from hermpkg_build.engine.context import Build, Built, NeedTargets
from hermpkg_build.engine.targets.model import build_model
from hermpkg_build.engine.targets.model_package import build_artifact
from hermpkg_build.engine.targets.python_modules import build_file, build_module, build_modules
from hermpkg_build.errors import HermpkgError


def build_tested_artifact(
    build: Build,  # noqa: ARG001 - every builder has it
    target: PackageTest,
    need: NeedTargets,
) -> Built:
    """Build the artifact that a `package_test` target tests; the test itself runs later."""
    return need([target.package])[0]


Builder: TypeAlias = Callable[[Build, Any, NeedTargets], Built]
"""Builds a target of one type; the last argument builds those that it needs."""

BUILDERS: Mapping[type[Target], Builder] = {
    FileTarget: build_file,
    ModuleTarget: build_module,
    PythonModules: build_modules,
    Model: build_model,
    ModelPackage: build_artifact,
    PackageTest: build_tested_artifact,
}

STEPS = (Model, ModelPackage)
"""The types of targets that take time to make."""


def build_target(build: Build, label: Label, need: NeedTargets) -> Built:
    """Build the target at `label`; what it needs is built before it, when it turns out to be needed."""
    target = build.context.targets[label]
    try:
        with build.journal.working.on(str(label)):
            built = BUILDERS[type(target)](build, target, need)
    except HermpkgError as error:
        build.journal.target_failed(str(label), error)
        raise
    finally:
        if isinstance(target, STEPS):
            build.journal.step_finished()
    if isinstance(target, ModelPackage):
        build.journal.target_finished(built.result)
    return built
