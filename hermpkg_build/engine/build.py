"""The use cases of the engine: build the targets of a request, run its tests, analyse its artifact."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from hermpkg_build.analysis.module_finder import declared_module
from hermpkg_build.core.graph import ModuleGraph
from hermpkg_build.core.label import Label
from hermpkg_build.core.target import DeclaredModule, ModelPackage, PackageTest, PythonModules
from hermpkg_build.core.texts import listed
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.engine.changed_part import ChangedPart, keep_part, keep_whole, merged, tell_of_others
from hermpkg_build.engine.context import Build, Built
from hermpkg_build.engine.executed import RemoteCounts
from hermpkg_build.engine.inputs import workspace_inputs
from hermpkg_build.engine.plan import plan_steps
from hermpkg_build.engine.results import BuildResult
from hermpkg_build.engine.scheduler import DependencyFailedError, Scheduler
from hermpkg_build.engine.second_process import further_processes
from hermpkg_build.engine.targets.model_package import model_objects
from hermpkg_build.engine.targets.table import build_target
from hermpkg_build.engine.wheel_check import warn_of_wheels
from hermpkg_build.errors import CommandLineError, GroupedError, HermpkgError
from hermpkg_build.source.known_facts import WORTH_PROCESSES, has_scanner

if TYPE_CHECKING:
    from hermpkg_build.analysis.problems import MissingFile
    from hermpkg_build.engine.test_options import TestOptions
    from hermpkg_build.engine.test_results import TestRunResult
    from hermpkg_build.factories.request import ModelObject

_MOST_LISTED = 10
_SECONDS_TO_STOP = 5.0
"""Stopping a child takes a moment; what cannot be stopped, such as writing an archive, is left behind."""


class BuildFailedError(GroupedError):
    """Some targets failed; `result` holds what was built nevertheless."""

    def __init__(self, errors: Sequence[HermpkgError], result: BuildResult) -> None:
        super().__init__(f"{len(errors)} of the requested targets failed", errors)
        self.result = result


def build_targets(build: Build) -> BuildResult:
    """Build the targets of a request.

    Raises BuildFailedError where any of them fails, and CommandLineError where the request names one file
    for the artifact but not exactly one model_package.
    """
    _check_single_output(build)
    warn_of_wheels(build)
    plan_steps(build, build.labels)
    outcomes = _outcomes(build, build.labels)
    result = _result(build, outcomes)
    if errors := _errors(outcomes):
        raise BuildFailedError(errors, result)
    _keep_snapshot(build, result)
    return result


def build_part(build: Build, part: ChangedPart) -> BuildResult:
    """Build the `part` of a request that an edit concerns, which `build` was opened for; return all results.

    Raises BuildFailedError as `build_targets` does.
    """
    tell_of_others(build, part)
    warn_of_wheels(build)
    plan_steps(build, build.labels)
    outcomes = _outcomes(build, build.labels)
    result = _result(build, outcomes)
    if errors := _errors(outcomes):
        raise BuildFailedError(errors, merged(part, result))
    _keep_snapshot(build, result, part)
    return merged(part, result)


def build_with_inputs(build: Build) -> BuildResult:
    """Build the targets of a request, and list the files of the workspace that they were built from.

    Raises what `build_targets` raises.
    """
    return replace(build_targets(build), inputs=workspace_inputs(build))


def run_tests(build: Build, options: TestOptions) -> TestRunResult:
    """Build what the package_test targets of a request need, and run them, as `options` say.

    A test that fails is an outcome, not an exception. A target that does not build raises BuildFailedError;
    where the request keeps going, the tests of what was built run, and the result holds that error.
    Raises CommandLineError where the patterns name no package_test.
    """
    from hermpkg_build.engine.test_results import TestRunResult
    from hermpkg_build.engine.test_runs import run_each

    tests = [target for target in build.requested() if isinstance(target, PackageTest)]
    plan_steps(build, build.labels, runs=options.runs)
    outcomes = _outcomes(build, build.labels)
    errors = _errors(outcomes)
    if errors and not build.request.keep_going:
        raise BuildFailedError(errors, _result(build, outcomes))
    if not tests and not errors:
        raise CommandLineError(
            f"no package_test among {' '.join(build.request.patterns)}",
            next_step="name a package_test target, or a folder with some: //...",
        )
    built = _built(outcomes)
    ran = run_each(
        build, [(test, built[test.label].result) for test in tests if test.label in built], options
    )
    result = _result(build, outcomes)
    return TestRunResult(
        tests=ran,
        build=result,
        failure=BuildFailedError(errors, result) if errors else None,
        not_run=tuple(str(test.label) for test in tests if test.label not in built),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """What is wrong with the targets of a request, and the models that could be made, by label.

    `undeclared` are files that modules of an artifact, by its label, import in ways that may fail.
    """

    errors: tuple[HermpkgError, ...]
    models: Mapping[Label, ModelObject] = field(default_factory=dict)
    undeclared: tuple[tuple[Label, MissingFile], ...] = ()


def check_targets(build: Build) -> Checked:
    """Do all that building the targets of a request takes, but for writing artifacts and running tests."""
    from hermpkg_build.engine.targets.artifact_contents import artifact_request, undeclared_modules

    requested = build.requested()
    labels = [target.package for target in requested if isinstance(target, PackageTest)]
    labels += [target.label for target in requested if isinstance(target, ModelPackage)]
    packages = [build.context.targets[label] for label in dict.fromkeys(labels)]
    needed = [label for target in packages for label in target.dependencies]
    others = [target.label for target in requested if not isinstance(target, ModelPackage | PackageTest)]
    outcomes = _outcomes(build, list(dict.fromkeys([*needed, *others])))
    errors = _errors(outcomes)
    undeclared: list[tuple[Label, MissingFile]] = []
    models = {label: built.model for label, built in _built(outcomes).items() if built.model is not None}
    for target in packages:
        assert isinstance(target, ModelPackage)
        own = {label: models[label] for label in target.models.values() if label in models}
        if len(own) < len({*target.models.values()}):
            continue
        try:
            artifact_request(
                build.context,
                target,
                own,
                build.journal.warn,
                strict_imports=build.request.strict_imports,
            )
            found = undeclared_modules(build.context, target, own)
        except HermpkgError as error:
            errors.append(error)
        else:
            undeclared += [(target.label, file) for file in found]
    return Checked(errors=tuple(errors), models=models, undeclared=tuple(undeclared))


def analyse(build: Build) -> ModuleGraph:
    """Return the module graph of the one `model_package` of a request, whose models are built where needed.

    Raises CommandLineError where the patterns name anything else.
    """
    targets = build.requested()
    if len(targets) != 1 or not isinstance(target := targets[0], ModelPackage):
        raise CommandLineError(
            f"{' '.join(build.request.patterns)} does not name exactly one model_package",
            facts=[("targets", _listed(build.labels))],
            next_step="name a single model_package target",
        )
    plan_steps(build, list(target.models.values()))
    outcomes = _outcomes(build, list(target.models.values()))
    if errors := _errors(outcomes):
        raise GroupedError(f"{target.label} cannot be analysed: its models failed", errors)
    built = _built(outcomes)
    models = model_objects(target, lambda labels: [built[label] for label in labels])
    from hermpkg_build.engine.targets.artifact_contents import module_graph

    graph = module_graph(build.context, target, models)
    _finish_sharing(build)
    return graph


Outcomes: TypeAlias = Mapping[Label, Built | BaseException]


def _outcomes(build: Build, labels: Sequence[Label]) -> Outcomes:
    """Build targets, and what they turn out to need before them. Targets that were not begun are left out."""
    scheduler: Scheduler[Label, Built] = Scheduler(
        build.request.jobs, partial(build_target, build), keep_going=build.request.keep_going
    )
    try:
        with further_processes(build, labels) as processes, _read_ahead(build, labels, processes):
            return scheduler.run(labels, processes)
    except BaseException:
        build.cancel()
        # This process must not end before its threads have stopped the children that they started.
        scheduler.wait(_SECONDS_TO_STOP)
        raise


def _read_ahead(
    build: Build, labels: Sequence[Label], processes: Sequence[object]
) -> AbstractContextManager[object]:
    """Return a context in which the sources of many small targets are analysed ahead, by other processes.

    Where further `processes` build whole targets, nothing is left for these. Targets with many modules let
    several processes analyse them by themselves. To take what another process has found takes as long as to
    find it by the scanner in C.
    """
    context = build.context
    modules: list[DeclaredModule] = []
    for label in labels if build.request.jobs > 1 and not processes else ():
        if isinstance(context.targets[label], PythonModules):
            with suppress(HermpkgError):
                own = context.modules_of_target(label)
                modules += own if len(own) < WORTH_PROCESSES else ()
    if len(modules) < WORTH_PROCESSES or has_scanner():
        return nullcontext()
    from hermpkg_build.engine.facts_ahead import FactsAhead

    sources = [declared_module(each, context.workspace.root) for each in modules]
    return FactsAhead(context.facts, sources, build.request.jobs - 1)


def _check_single_output(build: Build) -> None:
    targets = build.requested()
    if build.request.out and (len(targets) != 1 or not isinstance(targets[0], ModelPackage)):
        raise CommandLineError(
            f"--out needs exactly one model_package, but the patterns name: {_listed(build.labels)}",
            next_step="build them one at a time, or leave out --out",
        )


def _listed(labels: Sequence[Label]) -> str:
    return listed([*map(str, labels)], _MOST_LISTED) or "nothing"


def _result(build: Build, outcomes: Outcomes) -> BuildResult:
    """Sum up the build, once the shared cache has what it found out."""
    # A package_test has the result of its artifact, which may be there itself too.
    targets = {built.result.label: built.result for built in _built(outcomes).values()}
    remote = _finish_sharing(build)
    return BuildResult(
        targets=tuple(targets.values()),
        actions=build.journal.counts(),
        wall_s=time.perf_counter() - build.started,
        executed=build.journal.executed,
        remote=remote,
    )


def _finish_sharing(build: Build) -> RemoteCounts | None:
    """Wait until the shared cache has what this build found out; count what was transferred.

    An interrupt gives up the uploads, not the build, which is done.
    """
    if build.shared is None:
        return None
    build.context.facts.share()
    try:
        build.shared.finish()
    except KeyboardInterrupt:
        build.shared.close()
        build.journal.warn_for_this_build(
            "interrupted while uploading: the build is done, but not all of it is shared"
        )
    return build.journal.remote_counts()


def _built(outcomes: Outcomes) -> dict[Label, Built]:
    return {label: outcome for label, outcome in outcomes.items() if isinstance(outcome, Built)}


def _errors(outcomes: Outcomes) -> list[HermpkgError]:
    """List the errors of targets, and those of others that targets failed for, each once."""
    errors: dict[int, HermpkgError] = {}
    for outcome in outcomes.values():
        failure = outcome.cause if isinstance(outcome, DependencyFailedError) else outcome
        if isinstance(failure, HermpkgError):
            errors.setdefault(id(failure), failure)
        elif isinstance(failure, BaseException):
            raise failure
    return list(errors.values())


def _keep_snapshot(build: Build, result: BuildResult, part: ChangedPart | None = None) -> None:
    """Leave a snapshot for the next request of the same words, of which `part` may be all that was built.

    There is none where the result of an action could not be recorded: its inputs changed while it ran.
    """
    if not all(action.recorded for action in result.executed):
        return
    build.context.sharing.release()  # Of many modules that is as much as a snapshot takes.
    try:
        if part is None:
            keep_whole(build, result)
        else:
            keep_part(build, part, result)
    except OSError as error:
        build.journal.notes_not_kept(error)
