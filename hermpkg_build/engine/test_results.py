"""What running package_test targets gives. Apart from `results`, which must load fast."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hermpkg_build.engine.results import BuildResult
    from hermpkg_build.errors import HermpkgError, PackageTestError


@dataclass(frozen=True, slots=True, kw_only=True)
class PackageTestResult:
    """The outcome of one package_test.

    `cached` where it passed before with the same inputs and was not run again; `failure` says what went
    wrong, with the end of the test's output.
    """

    label: str
    status: Literal["passed", "failed"]
    cached: bool
    seconds: float
    failure: PackageTestError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TestRunResult:
    """The tests of a request in its order, and the build before them.

    `failure` says which targets could not be built, where the request keeps going; their tests did not run.
    """

    tests: tuple[PackageTestResult, ...]
    build: BuildResult
    failure: HermpkgError | None = None
