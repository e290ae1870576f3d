"""A limit on how long a stream may stand still, or crawl; gRPC itself has deadlines only."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hermpkg_build.remote.grpc.failures import CallFailedError
from hermpkg_build.remote.server import SLOWEST


class IdleLimit:
    """Cancels a call when too little has moved for `seconds`; the failure is then DEADLINE_EXCEEDED.

    A transfer may take as long as it moves, so a deadline for the whole of it would be wrong for any size
    but one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._moved = time.monotonic()
        self._size = 0
        self._watches = True
        self._expired = False

    @contextmanager
    def limits(self, call: Any) -> Iterator[None]:
        """Cancel `call` when the limit is reached within the block, and at its end in any case."""
        over = threading.Event()
        self.moved()
        threading.Thread(
            target=self._watch, args=(call, over), name="hermpkg-idle-limit", daemon=True
        ).start()
        try:
            yield
        except Exception as error:
            if not self._expired:
                raise
            what = f"only {self._size:,} bytes" if self._size else "nothing"
            raise CallFailedError("DEADLINE_EXCEEDED", f"{what} moved for {self._seconds:g} s") from error
        finally:
            over.set()
            call.cancel()

    def moved(self, size: int | None = None) -> None:
        """Note that something was sent or has arrived; bytes count once they are enough."""
        self._size += size or 0
        if size is None or self._size >= SLOWEST * self._seconds:
            self._moved, self._size = time.monotonic(), 0

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Do not count the time within: it is not the server that is waited for."""
        self._watches = False
        since = time.monotonic()
        try:
            yield
        finally:
            self._moved += time.monotonic() - since
            self._watches = True

    def _watch(self, call: Any, over: threading.Event) -> None:
        while True:
            left = self._moved + self._seconds - time.monotonic()
            if left <= 0 and self._watches:
                self._expired = True
                call.cancel()
                return
            if over.wait(max(left, self._seconds / 10)):
                return
