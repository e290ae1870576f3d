"""The environment of an artifact: what must be installed where it lands, with all that this needs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.core.texts import listed
from hermpkg_build.environment.closure import Disagreement, environment_of
from hermpkg_build.environment.extern_roots import extern_roots
from hermpkg_build.printable import pasteable

if TYPE_CHECKING:
    from hermpkg_build.analysis.distributions import Distributions
    from hermpkg_build.core.graph import ModuleGraph
    from hermpkg_build.core.target import ModelPackage
    from hermpkg_build.engine.context import Build, TargetContext
    from hermpkg_build.environment.finding import Recording
    from hermpkg_build.environment.locked import LockedEnvironment
    from hermpkg_build.environment.project_lock import ProjectLock

_MOST_TOLD = 10
_MOST_NAMED = 3


def recorded_environment(
    context: TargetContext,
    target: ModelPackage,
    graph: ModuleGraph,
    installed: Distributions,
    warn: Callable[[str], None],
) -> LockedEnvironment | None:
    """Return the environment that the artifact of `target` records; None where it is to record none.

    `warn` is told where the project's lock does not say what the model is built with. Raises WorkspaceError
    for settings and locks that are wrong, LoadingError where the lock of `target` cannot be read.
    """
    recording = recording_for(context, target)
    if recording.is_off:
        return None
    if recording.problem:
        warn(recording.problem)
    roots = extern_roots(graph, target.requires)
    found = environment_of(roots, installed, recording.lock, urls=recording.urls)
    if recording.lock is not None and found.disagreements:
        warn(f"{target.label}: {_told(recording.lock, found.disagreements)}")
    return found.environment


def recording_for(context: TargetContext, target: ModelPackage) -> Recording:
    """Return how the artifact of `target` records its environment. Raises as `recorded_environment`."""
    lock = target.environment.path if target.environment is not None else ""
    if lock:
        what = f"the lock {target.environment} of {target.label}"
        context.digest(
            target, context.absolute(lock), what, next_step="create the file, or leave environment out"
        )
    return context.recording(lock)


def note_unproven(build: Build, target: ModelPackage, environment: LockedEnvironment) -> None:
    """Say once in a workspace that the environment is recorded by versions alone, and how to have hashes."""
    names = [each.name for each in environment.unproven()]
    if names:
        build.note_once(
            "environment without hashes",
            f"{target.label} records versions, but no hashes of {listed(names, _MOST_NAMED)}; "
            f"for those: {pasteable('hermpkg', 'env', str(target.label))} --resolve -o pylock.toml",
        )


def _told(lock: ProjectLock, disagreements: Sequence[Disagreement]) -> str:
    differences = listed([str(each) for each in disagreements], _MOST_TOLD)
    return (
        f"{lock.name} does not say what is installed; recorded is what is, with which the model is made: "
        f"{differences}\n  -> install what it says: {lock.how_to_install}, or bring it up to date"
    )
