"""Requests in, results out: the use cases of the engine, top to bottom."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, TypeAlias

from hermpkg_build.analysis.search_path import environment_search_path
from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.core.label import Label
from hermpkg_build.core.target import (
    Model,
    ModelPackage,
    ModuleFile,
    PackageTest,
    PythonModules,
    SourceFile,
    Target,
)
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.environment import current_environment
from hermpkg_build.engine.journal import Journal
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.rebuilder import CachingRebuilder, Rebuilder
from hermpkg_build.engine.results import (
    BuildRequest,
    BuildResult,
    PackageTestResult,
    TargetResult,
    TestRunResult,
)
from hermpkg_build.engine.scheduler import DependencyFailedError, Need, Scheduler
from hermpkg_build.engine.session import Session
from hermpkg_build.engine.snapshot import (
    Snapshot,
    present_signature,
    save,
    snapshot_path,
)
from hermpkg_build.engine.targets.model import BuiltModel, build_model
from hermpkg_build.engine.targets.model_package import build_package
from hermpkg_build.engine.targets.model_package_analysis import PackageAnalysis, analyse_package
from hermpkg_build.engine.targets.package_test import run_package_test
from hermpkg_build.engine.targets.python_modules import build_file, build_modules
from hermpkg_build.errors import CommandLineError, GroupedError, HermpkgError
from hermpkg_build.loading.loader import Loader
from hermpkg_build.loading.workspace import WORKSPACE_MARKERS, Workspace
from hermpkg_build.store.action_cache import ActionCache
from hermpkg_build.store.cache import open_cache

if TYPE_CHECKING:
    from hermpkg_build.engine.remote.models import RemoteModels
    from hermpkg_build.remote.cache import RemoteCache
    from hermpkg_build.remote.opening import Remote
    from hermpkg_build.store.cache import Cache

Built: TypeAlias = BuiltModel | TargetResult
"""What building a target gives: a model object with its result, or a result alone."""

_SECONDS_TO_STOP = 5.0
"""Stopping a child takes a moment; what cannot be stopped, such as writing an archive, is left behind."""

MakeRebuilder = Callable[[ActionCache], Rebuilder]


class BuildFailedError(GroupedError):
    """Some targets failed; `result` holds what was built nevertheless."""

    def __init__(self, errors: Sequence[HermpkgError], result: BuildResult) -> None:
        super().__init__(f"{len(errors)} of the requested targets failed", errors)
        self.result = result


def build(
    workspace: Workspace,
    request: BuildRequest,
    cache_directory: str,
    observer: BuildObserver,
    *,
    make_rebuilder: MakeRebuilder = CachingRebuilder,
    remote: Remote | None = None,
) -> BuildResult:
    """Build the targets of `request`. Raises BuildFailedError where any of them fails.

    What `remote` names is shared with other machines, and closed in the end.

    Everything that a build reads goes through one SourceTree, so that what it saw can be kept in a
    snapshot for `uptodate.find_unchanged`.
    """
    started = time.perf_counter()
    with _open_session(workspace, request, cache_directory, observer, make_rebuilder, remote) as session:
        labels = session.loader.expand(request.patterns, package=request.package)
        outcomes = _build_labels(session, labels)
        result = _result(session, outcomes.values(), started)
        errors = _errors(outcomes)
        if errors:
            raise BuildFailedError(errors, result)
        _keep_snapshot(session, result)
        return result


def run_tests(
    workspace: Workspace,
    request: BuildRequest,
    cache_directory: str,
    observer: BuildObserver,
    *,
    make_rebuilder: MakeRebuilder = CachingRebuilder,
    remote: Remote | None = None,
) -> TestRunResult:
    """Build what the package_test targets of `request` need, and run them.

    A test that fails is an outcome, not an exception; a target that does not build raises
    BuildFailedError. Raises CommandLineError where the patterns name no package_test.
    """
    started = time.perf_counter()
    with _open_session(workspace, request, cache_directory, observer, make_rebuilder, remote) as session:
        labels = session.loader.expand(request.patterns, package=request.package)
        outcomes = _build_labels(session, labels)
        errors = _errors(outcomes)
        if errors:
            raise BuildFailedError(errors, _result(session, outcomes.values(), started))
        tests = [test for label in labels if isinstance(test := session.targets[label], PackageTest)]
        if not tests:
            raise CommandLineError(
                f"no package_test among {' '.join(request.patterns)}",
                next_step="name a package_test target, or a folder with some: //...",
            )
        ran = tuple(_run_test(session, test, outcomes[test.label]) for test in tests)
        built = _result(session, outcomes.values(), started)
        return TestRunResult(tests=ran, build=built)


def analyse(
    workspace: Workspace,
    request: BuildRequest,
    cache_directory: str,
    observer: BuildObserver,
    *,
    remote: Remote | None = None,
) -> PackageAnalysis:
    """The module graph of the one `model_package` that `request` names, its models built where needed.

    Raises CommandLineError where it names anything else.
    """
    with _open_session(workspace, request, cache_directory, observer, CachingRebuilder, remote) as session:
        labels = session.loader.expand(request.patterns, package=request.package)
        targets = session.loader.closure(labels)
        target = targets[labels[0]] if len(labels) == 1 else None
        if not isinstance(target, ModelPackage):
            raise CommandLineError(
                f"{' '.join(request.patterns)} is not one model_package",
                next_step="name a single model_package target",
            )
        outcomes = _build_labels(session, list(dict.fromkeys(target.models.values())))
        errors = _errors(outcomes)
        if errors:
            raise GroupedError(f"{target.label} cannot be analysed: its models failed", errors)
        objects = {label: built.model for label, built in outcomes.items() if isinstance(built, BuiltModel)}
        session.targets = targets
        analysis = analyse_package(session, target, objects)
        session.finish_sharing()
        return analysis


@contextmanager
def _open_session(
    workspace: Workspace,
    request: BuildRequest,
    cache_directory: str,
    observer: BuildObserver,
    make_rebuilder: MakeRebuilder,
    remote: Remote | None,
) -> Iterator[Session]:
    journal = Journal(observer)
    with (
        closing(open_cache(cache_directory)) as cache,
        _sharing(remote, cache, journal) as shared,
        _executing(remote, cache) as executor,
    ):
        for text in cache.warnings:
            journal.warn(text)
        # The folder must be there before the workspace root is listed, or the first build's own
        # output would look like a change to the second.
        with suppress(OSError):
            os.makedirs(os.path.join(workspace.root, STATE_FOLDER), exist_ok=True)
        tree = SourceTree(cache.digests)
        _observe_workspace(tree, workspace, request)
        yield Session(
            workspace=workspace,
            request=request,
            environment=current_environment(environment_search_path()),
            loader=Loader(workspace, tree, cache.actions),
            tree=tree,
            cache=cache,
            rebuilder=_rebuilder(make_rebuilder(cache.actions), shared, journal),
            journal=journal,
            remote=shared,
            executor=executor,
        )


@contextmanager
def _sharing(remote: Remote | None, cache: Cache, journal: Journal) -> Iterator[RemoteCache | None]:
    """The shared cache of a build, which ends with it; None where there is none."""
    if remote is None or remote.cache is None:
        yield None
        return
    from hermpkg_build.remote.cache import RemoteCache

    upload = remote.settings.upload
    with closing(RemoteCache(remote.cache, cache.content, journal, upload=upload)) as shared:
        yield shared


@contextmanager
def _executing(remote: Remote | None, cache: Cache) -> Iterator[RemoteModels | None]:
    """What makes models elsewhere for a build; None where they are made here."""
    if remote is None or not remote.settings.executor:
        yield None
        return
    from hermpkg_build.engine.remote.models import RemoteModels
    from hermpkg_build.remote.grpc.execution import Executor

    with closing(Executor(remote.settings, cache.content)) as executor:
        yield RemoteModels(executor, fallback=remote.settings.execution_fallback)


def _rebuilder(local: Rebuilder, shared: RemoteCache | None, journal: Journal) -> Rebuilder:
    if shared is None:
        return local
    from hermpkg_build.engine.remote.rebuilder import SharedRebuilder

    return SharedRebuilder(local, shared, journal)


def _observe_workspace(tree: SourceTree, workspace: Workspace, request: BuildRequest) -> None:
    """Look at the files that make this folder the workspace, also at those absent on the way up to it."""
    folder = os.path.join(workspace.root, request.package)
    while True:
        for marker in WORKSPACE_MARKERS:
            path = os.path.join(folder, marker)
            if tree.is_file(path):
                tree.digest(path)
        if len(folder.rstrip("/")) <= len(workspace.root.rstrip("/")):
            return
        folder = os.path.dirname(folder.rstrip("/"))


def _build_labels(session: Session, labels: Sequence[Label]) -> Mapping[Label, Built | BaseException]:
    session.targets = session.loader.closure(labels)
    if session.request.out is not None:
        _check_single_output(session, labels)

    def compute(label: Label, need: Need[Label, Built]) -> Built:
        return _build_one(session, session.targets[label], need)

    scheduler: Scheduler[Label, Built] = Scheduler(
        session.request.jobs, compute, keep_going=session.request.keep_going
    )
    try:
        return scheduler.run(labels)
    except BaseException:
        session.cancel()
        # This process must not end before its threads have stopped the children that they started.
        scheduler.wait(_SECONDS_TO_STOP)
        raise


def _build_one(session: Session, target: Target, need: Need[Label, Built]) -> Built:
    """Build one target; what it needs is built first, when it turns out to be needed."""
    if isinstance(target, Model):
        return build_model(session, target)
    if isinstance(target, PythonModules | ModuleFile):
        return build_modules(session, target)
    if isinstance(target, SourceFile):
        return build_file(session, target)
    if isinstance(target, PackageTest):
        return need([target.package])[0]
    assert isinstance(target, ModelPackage)
    labels = list(dict.fromkeys(target.models.values()))
    models = {
        label: built.model
        for label, built in zip(labels, need(labels), strict=True)
        if isinstance(built, BuiltModel)
    }
    result = build_package(session, target, models)
    session.journal.target(result)
    return result


def _run_test(session: Session, target: PackageTest, built: Built | BaseException) -> PackageTestResult:
    assert isinstance(built, TargetResult)
    return run_package_test(session, target, built)


def _check_single_output(session: Session, labels: Sequence[Label]) -> None:
    if len(labels) != 1 or not isinstance(session.targets[labels[0]], ModelPackage):
        raise CommandLineError(
            "--out is for one model_package, and these are not one",
            facts=[("targets", ", ".join(map(str, labels)) or "none")],
            next_step="build them one at a time, or leave out --out",
        )


def _result(session: Session, outcomes: Iterable[Built | BaseException], started: float) -> BuildResult:
    """What the build gave, once other machines can have it too."""
    results: dict[str, TargetResult] = {}
    for outcome in outcomes:
        if isinstance(outcome, BuiltModel):
            results[outcome.result.label] = outcome.result
        elif isinstance(outcome, TargetResult):
            results[outcome.label] = outcome
    remote = session.finish_sharing()
    return BuildResult(
        targets=tuple(results.values()),
        actions=session.journal.counts(),
        wall_s=time.perf_counter() - started,
        executed=session.journal.executed,
        remote=remote,
    )


def _errors(outcomes: Mapping[Label, Built | BaseException]) -> list[HermpkgError]:
    """The errors to report: what failed itself, and what failed only because something else did."""
    errors: list[HermpkgError] = []
    reported: set[object] = set()
    for outcome in outcomes.values():
        if isinstance(outcome, DependencyFailedError):
            if outcome.cause is None:
                continue
            outcome = outcome.cause
        if isinstance(outcome, HermpkgError):
            if id(outcome) not in reported:
                reported.add(id(outcome))
                errors.append(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
    return errors


def _keep_snapshot(session: Session, result: BuildResult) -> None:
    """Leave a snapshot for the next request of the same words, unless something moved meanwhile."""
    if not session.settled:
        return
    tree = session.tree
    signatures = tree.observed_signatures()
    snapshot = Snapshot(
        files={path: (digest.hash, signatures.get(path)) for path, digest in tree.observed_files().items()},
        directories={
            path: (digest.hash, signatures.get(path)) for path, digest in tree.observed_directories().items()
        },
        outputs={path: (digest.hash, present_signature(path)) for path, digest in session.outputs.items()},
        result=result,
        warnings=session.journal.warnings,
    )
    directory = os.path.join(session.workspace.root, session.request.package)
    try:
        save(snapshot_path(session.workspace.root, directory, session.request), snapshot)
    except OSError as error:
        session.journal.warn(f"cannot keep notes for the next build: {error}")
