"""Says before a build how many steps it may take, and how long these took when they ran last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hermpkg_build.core.target import Model, ModelPackage, PackageTest, PythonModules
from hermpkg_build.engine.durations import known_durations

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.engine.context import Build

_KINDS = {Model: "make-model", ModelPackage: "assemble", PackageTest: "test"}


def plan_steps(build: Build, labels: Sequence[Label], *, runs: int = 0) -> None:
    """Report the models and artifacts that `labels` need, and the tests among these, `runs` times each."""
    targets, queue = build.context.targets, list(dict.fromkeys(labels))
    known, requested = set(queue), set(labels) if runs else set()
    steps, expected = 0, {}
    durations = known_durations(build.context.workspace.root)
    for label in queue:
        target = targets[label]
        kind = _KINDS.get(type(target), "")
        times = runs * (label in requested) if kind == "test" else bool(kind)
        steps += times
        if times and (kind, str(label)) in durations:
            expected[kind, str(label)] = durations[kind, str(label)]
        if isinstance(target, PythonModules):
            continue  # which need no others to be made, and are very many
        queue += [each for each in target.dependencies if each not in known]
        known.update(target.dependencies)
    build.journal.steps_planned(steps, build.request.jobs, expected)
