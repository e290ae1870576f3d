"""Observers, which a build tells of its progress."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from hermpkg_build.engine.durations import Durations
    from hermpkg_build.engine.results import TargetResult
    from hermpkg_build.engine.test_results import PackageTestResult
    from hermpkg_build.errors import HermpkgError


DRAWING = "hermpkg-progress"
"""How threads are called that only draw what observers were told: builds may be forked beside them."""


class BuildObserver:
    """An observer that does nothing; others override what they want to hear of.

    The engine calls one method at a time. `kind` is an action's kind (``analyse``, ``make-model``,
    ``assemble``, ``test``), `subject` its target's label or its module's name.
    """

    notes_times: bool = False
    """Whether it notes when it is told of something."""

    def steps_planned(self, steps: int, jobs: int, expected: Durations) -> None:
        """Note that the targets are loaded: so many models, artifacts and tests may have to be made.

        `jobs` are done at once; `expected` says how long their actions took when they ran last.
        """

    def step_finished(self) -> None:
        """Note that one of these steps is done, whether it was work, failed, or was done before."""

    def phase_started(self, kind: str, subject: str) -> None:
        """Note that work begins that is no action: ``load`` BUILD files, ``resolve`` a target's imports."""

    def phase_finished(self, kind: str, subject: str) -> None:
        """Note that such work is done."""

    def action_started(self, kind: str, subject: str) -> None:
        """Note that an action begins to run."""

    def action_finished(self, kind: str, subject: str, *, cached: bool, where: str = "") -> None:
        """Note that an action is done: it ran, or a cache had its result and it never started.

        `where` is the executor that ran it, "" for this machine.
        """

    def action_failed(self, kind: str, subject: str) -> None:
        """Note that an action that had begun gave no result."""

    def target_finished(self, result: TargetResult) -> None:
        """Note that a target's artifact is in place."""

    def target_failed(self, label: str, error: HermpkgError) -> None:
        """Note that a model or an artifact could not be made. What needs it fails too, and is not told."""

    def test_finished(self, result: PackageTestResult) -> None:
        """Note that a test has passed or failed, in all its runs."""

    def transfer_started(self, direction: Literal["fetch", "upload"], subject: str) -> None:
        """Note that the shared cache is asked for what an action gave, or told."""

    def transfer_ended(self, direction: Literal["fetch", "upload"], subject: str, size: int) -> None:
        """Note that a transfer ended, in which `size` bytes were of use, 0 where there was nothing."""

    def uploads_awaited(self, number: int) -> None:
        """Note that the build is done but for so many uploads to the shared cache, which take long.

        KeyboardInterrupt gives them up, and nothing else of the build.
        """

    def cache_pruned(self, entries: int, size: int) -> None:
        """Note that the cache had passed its limit: so many entries are gone, which took `size` bytes."""

    def note(self, text: str) -> None:
        """Note something that is no reason to worry, such as a server that is used for the first time."""

    def warning(self, text: str) -> None:
        """Note something people should know that does not stop the build; `text` has one or more lines."""


class ObserverGroup(BuildObserver):
    """Tells each of several observers, in their order."""

    def __init__(self, observers: Sequence[BuildObserver]) -> None:
        self._observers = tuple(observers)
        self.notes_times: bool = any(each.notes_times for each in observers)

    def steps_planned(self, steps: int, jobs: int, expected: Durations) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.steps_planned(steps, jobs, expected)

    def step_finished(self) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.step_finished()

    def phase_started(self, kind: str, subject: str) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.phase_started(kind, subject)

    def phase_finished(self, kind: str, subject: str) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.phase_finished(kind, subject)

    def action_started(self, kind: str, subject: str) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.action_started(kind, subject)

    def action_finished(self, kind: str, subject: str, *, cached: bool, where: str = "") -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.action_finished(kind, subject, cached=cached, where=where)

    def action_failed(self, kind: str, subject: str) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.action_failed(kind, subject)

    def target_finished(self, result: TargetResult) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.target_finished(result)

    def target_failed(self, label: str, error: HermpkgError) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.target_failed(label, error)

    def test_finished(self, result: PackageTestResult) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.test_finished(result)

    def transfer_started(self, direction: Literal["fetch", "upload"], subject: str) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.transfer_started(direction, subject)

    def transfer_ended(self, direction: Literal["fetch", "upload"], subject: str, size: int) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.transfer_ended(direction, subject, size)

    def uploads_awaited(self, number: int) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.uploads_awaited(number)

    def cache_pruned(self, entries: int, size: int) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.cache_pruned(entries, size)

    def note(self, text: str) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.note(text)

    def warning(self, text: str) -> None:
        """See `BuildObserver`."""
        for observer in self._observers:
            observer.warning(text)
