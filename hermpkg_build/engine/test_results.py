"""What running package_test targets gives. Apart from `results`, which must load fast."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from hermpkg_build.dataclass import dataclass

if TYPE_CHECKING:
    from hermpkg_build.engine.results import BuildResult
    from hermpkg_build.errors import HermpkgError, PackageTestError


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageTestResult:
    """The outcome of one package_test.

    `cached` where it passed before with the same inputs and was not run again. `failures` say what went wrong
    in each attempt that failed, with the end of its output; those of a test that passed are of attempts
    before the one that did. `attempts` is the number of all. `output` is the end of what the attempt printed
    that passed. A test that ran several times has the sums of its runs, and passed where all of them did.
    """

    label: str
    status: Literal["passed", "failed"]
    cached: bool
    seconds: float
    attempts: int = 1
    failures: tuple[PackageTestError, ...] = ()
    output: str = ""
    runs: int = 1
    failed_runs: int = 0

    @property
    def failure(self) -> PackageTestError | None:
        """What went wrong at last; None where the test passed."""
        return self.failures[-1] if self.status == "failed" else None

    @property
    def is_flaky(self) -> bool:
        """Whether the same inputs let an attempt fail and another pass."""
        return self.attempts > self.runs if self.status == "passed" else 0 < self.failed_runs < self.runs


def sum_of_runs(results: Sequence[PackageTestResult]) -> PackageTestResult:
    """Return the one result of all runs of a test."""
    first, *others = results
    if not others:
        return first
    failed = sum(result.status == "failed" for result in results)
    return PackageTestResult(
        label=first.label,
        status="failed" if failed else "passed",
        cached=False,
        seconds=sum(result.seconds for result in results),
        attempts=sum(result.attempts for result in results),
        # Those of runs that failed at last, which `failure` must find at the end.
        failures=tuple(
            failure
            for result in sorted(results, key=lambda result: result.status == "failed")
            for failure in result.failures
        ),
        output="".join(result.output for result in results),
        runs=len(results),
        failed_runs=failed,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRunResult:
    """The tests of a request in its order, and the build before them.

    `failure` says which targets could not be built, where the request keeps going; `not_run` are the labels
    of tests that did not run for it.
    """

    tests: tuple[PackageTestResult, ...]
    build: BuildResult
    failure: HermpkgError | None = None
    not_run: tuple[str, ...] = ()
