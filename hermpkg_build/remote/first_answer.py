"""Patience with a server that nobody has heard of yet: it may be no server at all."""

from __future__ import annotations

import threading
import time

_LEAST_S = 0.05
"""What a request gets that begins when the time is over, or nearly: a limit of none means another thing."""


class FirstAnswer:
    """How long one server may take until its first answer, all attempts and threads together.

    The time begins with the first request. A server that has answered once is slow, not gone, and every
    request then has its own limit.
    """

    def __init__(self, limit_s: float) -> None:
        self._limit_s = limit_s
        self._end: float | None = None
        self._came = False
        self._lock = threading.Lock()

    def limit_of(self, timeout_s: float) -> float:
        """The limit for a request that begins now and has `timeout_s` seconds of its own."""
        if self._came:
            return timeout_s
        with self._lock:
            if self._end is None:
                self._end = time.monotonic() + self._limit_s
        return min(timeout_s, max(self._end - time.monotonic(), _LEAST_S))

    def came(self) -> None:
        """The server has answered, if only to refuse."""
        self._came = True

    @property
    def overdue(self) -> bool:
        """Whether the time is over, and nothing has come."""
        return not self._came and self._end is not None and time.monotonic() >= self._end
