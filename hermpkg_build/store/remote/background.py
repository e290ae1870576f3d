"""Work that nobody waits for until the end: a few threads that come with the first job."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

_Job = Callable[[], None]


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
        """Run `job` soon; not at all once the end has come."""
        with self._condition:
            if self._ended:
                return
            self._jobs.append(job)
            if self._idle < len(self._jobs) and self._started < self._threads:
                self._started += 1
                name = f"hermpkg-background-{self._started}"
                threading.Thread(target=self._work, name=name, daemon=True).start()
            self._condition.notify_all()

    def finish(self) -> None:
        """Wait until all jobs are done. Raises what the first that failed raised.

        An interrupt ends the waiting, not the jobs.
        """
        with self._condition:
            # In turns, for an interrupt is only noticed between two.
            while (self._jobs or self._at_work) and not self._ended:
                self._condition.wait(0.2)
            error, self._error = self._error, None
        if error is not None:
            raise error

    def end(self) -> None:
        """Forget the jobs that have not begun and take no more; those that run are not waited for."""
        with self._condition:
            self._ended = True
            self._jobs.clear()
            self._condition.notify_all()

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
