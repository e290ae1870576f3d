"""Runs jobs in a few threads, waited for at the end of a build only."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

_Job = Callable[[], object]

_TURN_S = 0.2
"""Seconds of one turn of waiting: an interrupt is noticed between two turns."""

_SHORT_S = 2.0
"""Seconds of waiting before it is told."""


class Background:
    """Runs jobs in at most `threads` threads, which do not keep the process from ending."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._jobs: deque[_Job] = deque()
        self._condition = threading.Condition()
        self._started = 0
        self._idle = 0
        self._at_work = 0
        self._ended = False
        self._error: BaseException | None = None

    def submit(self, job: _Job) -> None:
        """Run `job` soon, unless `end` was called."""
        with self._condition:
            if self._ended:
                return
            self._jobs.append(job)
            if self._idle < len(self._jobs) and self._started < self._threads:
                self._started += 1
                name = f"hermpkg-background-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
            self._condition.notify_all()

    def finish(self, awaited: Callable[[int], None]) -> None:
        """Wait until all jobs are done. Raises what the first that failed raised.

        Where that takes a while `awaited` is called, once, with the number of jobs left. An interrupt
        ends the waiting, not the jobs.
        """
        begun, told = time.monotonic(), False
        while left := self._left_after(_TURN_S):
            if not told and time.monotonic() - begun >= _SHORT_S:
                told = True
                awaited(left)
        error, self._error = self._error, None
        if error is not None:
            raise error

    def end(self) -> None:
        """Drop the jobs that have not begun and take no more; those that run are not waited for."""
        with self._condition:
            self._ended = True
            self._jobs.clear()
            self._condition.notify_all()

    def _left_after(self, seconds: float) -> int:
        """The number of jobs left after so long, or as soon as there are none."""
        with self._condition:
            self._condition.wait_for(lambda: self._left() == 0, seconds)
            return self._left()

    def _left(self) -> int:
        return 0 if self._ended else len(self._jobs) + self._at_work

    def _work(self) -> None:
        while True:
            with self._condition:
                self._idle += 1
                while not self._jobs and not self._ended:
                    self._condition.wait()
                self._idle -= 1
                if self._ended:
                    return
                job = self._jobs.popleft()
                self._at_work += 1
            try:
                job()
            except BaseException as error:  # noqa: BLE001 - raised again by `finish`, in the thread that asks
                self._error = self._error or error
            finally:
                with self._condition:
                    self._at_work -= 1
                    self._condition.notify_all()
