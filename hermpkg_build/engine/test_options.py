"""How the package_test targets of a request are run: what a command line changes of their attributes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from hermpkg_build.dataclass import dataclass, field, replace

if TYPE_CHECKING:
    from hermpkg_build.core.target import PackageTest

FLAKY_ATTEMPTS = 3
"""How often a test is tried that its target calls flaky."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOptions:
    """What holds for all tests of a request.

    `args` and `env` are added to those of each target, and `timeout`, in seconds, takes the place of its own.
    Each test is run `runs` times, and a run that fails is tried again until it has had `attempts`; None
    leaves that to the target. Without `reuse` a test is run although it passed with the same inputs.
    """

    args: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    timeout: int | None = None
    runs: int = 1
    attempts: int | None = None
    reuse: bool = True

    def applied_to(self, target: PackageTest) -> PackageTest:
        """Return `target` as it is run: with these arguments, variables and timeout."""
        return replace(
            target,
            args=(*target.args, *self.args),
            env={**target.env, **self.env},
            timeout=target.timeout if self.timeout is None else self.timeout,
        )

    def attempts_of(self, target: PackageTest) -> int:
        """Return how often a run of `target` is tried until it passes."""
        return self.attempts or (FLAKY_ATTEMPTS if target.flaky else 1)
