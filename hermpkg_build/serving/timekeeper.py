"""A thread that tells when the time of calls is over."""

from __future__ import annotations

import heapq
import threading
import time
from collections.abc import Callable

from hermpkg_build.core.closing import Closing
from hermpkg_build.serving.calls import Call


class Timekeeper(Closing):
    """Calls `expired` with each call that has no answer at its deadline."""

    def __init__(self, expired: Callable[[Call], None]) -> None:
        self._expired = expired
        self._calls: list[tuple[float, int, Call]] = []
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._closed = False

    def watch(self, call: Call) -> None:
        """Watch a call that has a deadline."""
        assert call.deadline is not None
        with self._changed:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hermpkg-timekeeper", daemon=True)
                self._thread.start()
            heapq.heappush(self._calls, (call.deadline, call.order, call))
            if self._calls[0][2] is call:
                self._changed.notify()

    def close(self) -> None:
        """Watch no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                if self._closed:
                    return
                self._drop_answered()
                left = self._calls[0][0] - time.monotonic() if self._calls else None
                if left is None or left > 0:
                    self._changed.wait(left)
                    continue
                call = heapq.heappop(self._calls)[2]
            self._expired(call)

    def _drop_answered(self) -> None:
        """Let go of the calls that have an answer, with what they hold."""
        while self._calls and self._calls[0][2].future.done():
            heapq.heappop(self._calls)
        if len(self._calls) > 64 and sum(call.future.done() for _, _, call in self._calls) * 2 > len(
            self._calls
        ):
            self._calls = [entry for entry in self._calls if not entry[2].future.done()]
            heapq.heapify(self._calls)
