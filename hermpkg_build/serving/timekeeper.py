"""A thread that tells when the time of calls is over."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from typing import Any

from hermpkg_build.core.closing import Closing
from hermpkg_build.serving.calls import Call


class Timekeeper(Closing):
    """Calls `expired` with each call that has no answer at its deadline, and holds none that has one."""

    def __init__(self, expired: Callable[[Call], None]) -> None:
        self._expired = expired
        self._calls: dict[int, Call] = {}
        self._next = -math.inf
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
            self._calls[call.order] = call
            if call.deadline < self._next:
                self._changed.notify()
        call.future.add_done_callback(partial(self._let_go, call.order))

    def close(self) -> None:
        """Watch no more."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _let_go(self, order: int, _: Future[Any]) -> None:
        with self._changed:
            self._calls.pop(order, None)

    def _run(self) -> None:
        while call := self._next_expired():
            self._expired(call)

    def _next_expired(self) -> Call | None:
        """Wait for a deadline; the call that it is of, or None at the end."""
        with self._changed:
            while not self._closed:
                first = min(self._calls.values(), key=_deadline, default=None)
                self._next = math.inf if first is None else _deadline(first)
                left = self._next - time.monotonic()
                if first is not None and left <= 0:
                    return self._calls.pop(first.order)
                self._changed.wait(None if first is None else left)
            return None


def _deadline(call: Call) -> float:
    assert call.deadline is not None
    return call.deadline
