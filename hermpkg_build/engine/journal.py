"""The journal of a build: counts actions, keeps why they ran, and tells an observer."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from hermpkg_build.core.relayed import Relayed, relayed
from hermpkg_build.engine.executed import ExecutedAction, RemoteCounts
from hermpkg_build.engine.observer import BuildObserver
from hermpkg_build.engine.resting import Working
from hermpkg_build.engine.results import ActionCounts, TargetResult

if TYPE_CHECKING:
    from hermpkg_build.engine.durations import Durations
    from hermpkg_build.engine.test_results import PackageTestResult
    from hermpkg_build.errors import HermpkgError


class Journal(Relayed):
    """Takes reports from any thread and tells the observer one at a time."""

    def __init__(self, observer: BuildObserver) -> None:
        self._observer = observer
        self._lock = threading.Lock()
        self._run: Counter[str] = Counter()
        self._cached: Counter[str] = Counter()
        self._executed: list[ExecutedAction] = []
        self.working: Working = Working()
        self._warnings: dict[str, set[str]] = {}
        """Each with the targets that it is about, "" for the whole build."""
        self._lacks_notes = False
        self._shared: Counter[str] = Counter()
        self._began: dict[tuple[str, str, int], float] = {}
        self.durations: dict[tuple[str, str], float] = {}

    @property
    def notes_times(self) -> bool:
        """Whether the observer notes when it is told of something, so that nothing may be told later."""
        return self._observer.notes_times

    def tell_nobody(self) -> None:
        """Leave it to whom calls are relayed to tell people."""
        self._observer = BuildObserver()

    def steps_planned(self, steps: int, jobs: int, expected: Durations) -> None:
        """Report what is to be made, and how long that took before."""
        with self._lock:
            self._observer.steps_planned(steps, jobs, expected)

    def step_finished(self) -> None:
        """Report that a model, an artifact or a test is done."""
        with self._lock:
            self._observer.step_finished()

    @contextmanager
    def phase(self, kind: str, subject: str) -> Iterator[None]:
        """Report that work which is no action begins, and at the end of the context that it is done."""
        with self._lock:
            self._observer.phase_started(kind, subject)
        try:
            yield
        finally:
            with self._lock:
                self._observer.phase_finished(kind, subject)

    def action_started(self, kind: str, subject: str) -> None:
        """Report that an action begins to run, in this thread."""
        with self._lock:
            self._began[kind, subject, threading.get_ident()] = time.perf_counter()
        self._tell_started(kind, subject)

    @relayed
    def _tell_started(self, kind: str, subject: str) -> None:
        with self._lock:
            self._observer.action_started(kind, subject)

    @relayed
    def action_failed(self, kind: str, subject: str) -> None:
        """Report that an action that had begun in this thread gave no result."""
        with self._lock:
            self._began.pop((kind, subject, threading.get_ident()), None)
            self._observer.action_failed(kind, subject)

    def action_ran(
        self, kind: str, subject: str, reasons: Sequence[str], *, where: str = "", recorded: bool = True
    ) -> None:
        """Report that an action ran. The arguments are those of `ExecutedAction`."""
        with self._lock:
            began = self._began.pop((kind, subject, threading.get_ident()), None)
        took = time.perf_counter() - began if began is not None else None
        executed = ExecutedAction(
            kind=kind, subject=subject, reasons=tuple(reasons), where=where, recorded=recorded
        )
        self._tell_ran(executed, took)

    @relayed
    def _tell_ran(self, executed: ExecutedAction, took: float | None) -> None:
        kind, subject = executed.kind, executed.subject
        with self._lock:
            if took is not None:
                self.durations[kind, subject] = took
            self._run[kind] += 1
            self._executed.append(executed)
            self._observer.action_finished(kind, subject, cached=False, where=executed.where)

    @relayed
    def action_recalled(self, kind: str, subject: str) -> None:
        """Report that a cache had the result of an action."""
        with self._lock:
            self._cached[kind] += 1
            self._observer.action_finished(kind, subject, cached=True)

    @relayed
    def target_finished(self, result: TargetResult) -> None:
        """Report that the artifact of a target is in place."""
        with self._lock:
            self._observer.target_finished(result)

    def target_failed(self, label: str, error: HermpkgError) -> None:
        """Report that a target could not be made."""
        with self._lock:
            self._observer.target_failed(label, error)

    def test_finished(self, result: PackageTestResult) -> None:
        """Report that a test has passed or failed."""
        with self._lock:
            self._observer.test_finished(result)

    @relayed
    def warn(self, text: str, *, about: Collection[str] = ()) -> None:
        """Tell people something once, also when a later build of the same words finds nothing changed.

        It is `about` some targets, by default the one that this thread works on.
        """
        with self._lock:
            if text not in self._warnings:
                self._observer.warning(text)
            self._warnings.setdefault(text, set()).update(about or (self.working.label(),))

    def notes_not_kept(self, error: OSError) -> None:
        """Tell once that the next build will find no notes of this one."""
        if not self._lacks_notes:
            self._lacks_notes = True
            self.warn(f"cannot keep notes for the next build: {error}")

    @relayed
    def warn_for_this_build(self, text: str) -> None:
        """Tell people something about this build alone, which a later build does not repeat."""
        with self._lock:
            self._observer.warning(text)

    @relayed
    def note(self, text: str) -> None:
        """Tell people something about this build that is no warning."""
        with self._lock:
            self._observer.note(text)

    def shared_cache_asked(self, *, hit: bool) -> None:
        """Report whether the shared cache had the result of an action that it was asked for."""
        with self._lock:
            self._shared["hits" if hit else "misses"] += 1

    def transfer_started(self, direction: Literal["fetch", "upload"], subject: str) -> None:
        """Report that a transfer from or to the shared cache begins."""
        with self._lock:
            self._observer.transfer_started(direction, subject)

    def transfer_ended(self, direction: Literal["fetch", "upload"], subject: str, size: int) -> None:
        """Report that a transfer ended, in which `size` bytes were of use."""
        with self._lock:
            self._shared["downloaded_bytes" if direction == "fetch" else "uploaded_bytes"] += size
            self._observer.transfer_ended(direction, subject, size)

    def uploads_awaited(self, number: int) -> None:
        """Report that the build is done but for so many uploads to the shared cache, which take long."""
        with self._lock:
            self._observer.uploads_awaited(number)

    def cache_pruned(self, entries: int, size: int) -> None:
        """Report that entries of the cache are gone, which took `size` bytes."""
        with self._lock:
            self._observer.cache_pruned(entries, size)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Return all warnings of `warn` so far."""
        return tuple(self._warnings)

    def warnings_by_target(self) -> dict[str, list[str]]:
        """Return the targets that each warning is about, "" where one is about the whole build."""
        with self._lock:
            return {text: sorted(labels) for text, labels in self._warnings.items()}

    @property
    def executed(self) -> tuple[ExecutedAction, ...]:
        """Return the actions that ran, in an order that does not depend on threads."""
        return tuple(sorted(self._executed, key=lambda a: (a.kind, a.subject)))

    def remote_counts(self) -> RemoteCounts:
        """Count what went between this build and the shared cache."""
        return RemoteCounts(**self._shared)

    def counts(self) -> dict[str, ActionCounts]:
        """Count the actions of each kind that ran and that were recalled, kinds in the order of a build."""
        kinds = ("analyse", "make-model", "assemble", "test")
        seen = self._run.keys() | self._cached.keys()
        return {
            kind: ActionCounts(self._run[kind], self._cached[kind])
            for kind in kinds
            if kind in seen or kind != "test"
        }
