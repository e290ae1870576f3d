"""Runs the package_test targets of a build side by side."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from hermpkg_build.engine.scheduler import Need, Scheduler
from hermpkg_build.engine.targets.package_test import run_package_test
from hermpkg_build.engine.test_results import PackageTestResult, sum_of_runs
from hermpkg_build.errors import GroupedError, HermpkgError

if TYPE_CHECKING:
    from hermpkg_build.core.target import PackageTest
    from hermpkg_build.engine.context import Build
    from hermpkg_build.engine.results import TargetResult
    from hermpkg_build.engine.test_options import TestOptions

EXCLUSIVE = "exclusive"
"""The tag of tests that nothing else may run beside."""

_SECONDS_TO_STOP = 5.0

_Run: TypeAlias = tuple[int, int]
"""The index of a test, and the number of its run."""


def run_each(
    build: Build, tests: Sequence[tuple[PackageTest, TargetResult]], options: TestOptions
) -> tuple[PackageTestResult, ...]:
    """Run tests against their artifacts, as many at once as the request has jobs; results in their order.

    Those with the tag `exclusive` run behind the others, one by one. A test that fails is a result like any
    other. Raises the error, or GroupedError with all, where tests cannot be run.
    """
    runs = [(index, run) for index in range(len(tests)) for run in range(options.runs)]
    left = Counter(index for index, _ in runs)
    finished: dict[_Run, PackageTestResult] = {}
    lock = threading.Lock()
    alone = [run for run in runs if EXCLUSIVE in tests[run[0]][0].tags]
    together = [run for run in runs if run not in set(alone)]

    def compute(run: _Run, _: Need[_Run, PackageTestResult]) -> PackageTestResult:
        target, artifact = tests[run[0]]
        try:
            result = run_package_test(build, target, artifact, options)
        finally:
            build.journal.step_finished()
        with lock:
            finished[run] = result
            left[run[0]] -= 1
            is_last = not left[run[0]]
        if is_last:
            build.journal.test_finished(_sum(finished, run[0], options))
        return result

    outcomes: dict[_Run, PackageTestResult | BaseException] = {}
    for group, jobs in ((together, build.request.jobs), (alone, 1)):
        scheduler: Scheduler[_Run, PackageTestResult] = Scheduler(jobs, compute, keep_going=True)
        try:
            outcomes |= scheduler.run(group)
        except BaseException:
            build.cancel()
            scheduler.wait(_SECONDS_TO_STOP)
            raise
    _raise_errors([outcome for outcome in outcomes.values() if isinstance(outcome, BaseException)])
    return tuple(_sum(finished, index, options) for index in range(len(tests)))


def _sum(finished: Mapping[_Run, PackageTestResult], index: int, options: TestOptions) -> PackageTestResult:
    return sum_of_runs([finished[index, run] for run in range(options.runs)])


def _raise_errors(errors: Sequence[BaseException]) -> None:
    for error in errors:
        if not isinstance(error, HermpkgError):
            raise error
    known = list({str(error): error for error in errors if isinstance(error, HermpkgError)}.values())
    if len(known) == 1:
        raise known[0]
    if known:
        raise GroupedError("some tests cannot be run", known)
