"""What the slots of a pool know together: targets in use, workers that died, whether any starts."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from hermpkg_build.serving.errors import WorkersFailedError
from hermpkg_build.serving.requests import Target
from hermpkg_build.serving.waiting import Waiting

_STARTS_BEFORE_FAILURE = 3
_PATIENCE_S = 15.0
"""For how long workers may be ended, by the system or by others, before they could take a call."""


class Shared:
    """What slots know together; `take_back` lets a worker give back what was sent to it ahead."""

    def __init__(
        self,
        waiting: Waiting,
        load: Sequence[Target],
        start_limit: float,
        take_back: Callable[[int], object],
    ) -> None:
        self.waiting = waiting
        self.take_back: Callable[[int], object] = take_back
        self.start_limit = start_limit
        self.replaced: int = 0
        self._targets: dict[Target, None] = dict.fromkeys(load)
        self._failed_starts = 0
        self._living = 0
        self._last_lived = time.monotonic()
        self._lock = threading.Lock()

    def targets(self) -> list[Target]:
        """Return what a new worker loads before it gets calls."""
        with self._lock:
            return list(self._targets)

    def used(self, target: Target) -> None:
        """Note that a call of a target had a result."""
        if target not in self._targets:
            with self._lock:
                self._targets[target] = None

    def lives(self, difference: int) -> None:
        """Note that so many more workers are ready for calls."""
        with self._lock:
            self._living += difference
            self._last_lived = time.monotonic()
            if difference > 0:
                self._failed_starts = 0
            else:
                self.replaced += 1

    def failed_to_start(self, error: Exception) -> int:
        """Note that a worker could not be started; say how many could not one after the other.

        Where none lives, and none can be started, the calls that wait get an error.
        """
        with self._lock:
            self._failed_starts += 1
            often = self._failed_starts >= _STARTS_BEFORE_FAILURE
            # What packed code raises once it will raise again.
            lasting = not isinstance(error, WorkersFailedError)
            hopeless = (
                not self._living and often and (lasting or time.monotonic() - self._last_lived > _PATIENCE_S)
            )
        if hopeless:
            for call in self.waiting.clear():
                call.fail(_no_workers(error))
        return self._failed_starts


def _no_workers(error: Exception) -> WorkersFailedError:
    failed = WorkersFailedError(
        "no worker can be started", facts=[("reason", str(error))], next_step="swap() to a version that works"
    )
    failed.__cause__ = error
    return failed
