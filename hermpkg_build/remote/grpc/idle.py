"""A limit on how long a stream may stand still; gRPC itself has deadlines only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from hermpkg_build.remote.grpc.failures import CallFailedError


class IdleLimit:
    """Cancels a call when nothing has moved for `seconds`; the failure is then DEADLINE_EXCEEDED.

    A context manager around the call. A transfer may take as long as it moves, so a deadline for the whole
    of it would be wrong for any size but one.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._cancel: Callable[[], object] | None = None
        self._over = threading.Event()
        self._moved = time.monotonic()
        self._watches = True
        self._expired = False

    def ends_with(self, cancel: Callable[[], object]) -> None:
        """Call `cancel` when the limit is reached, from now on."""
        self._cancel = cancel
        self.moved()
        threading.Thread(target=self._watch, name="hermpkg-idle-limit", daemon=True).start()

    def moved(self) -> None:
        """Note that something was sent or has arrived."""
        self._moved = time.monotonic()

    @contextmanager
    def suspended(self) -> Iterator[None]:
        """Do not count the time within: it is not the server that is waited for."""
        self._watches = False
        try:
            yield
        finally:
            self.moved()
            self._watches = True

    def __enter__(self) -> IdleLimit:  # noqa: PYI034 -- typing.Self is not in Python 3.10
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        self._over.set()
        if self._expired and error is not None and not isinstance(error, GeneratorExit):
            raise CallFailedError("DEADLINE_EXCEEDED", f"nothing moved for {self._seconds:g} s") from error

    def _watch(self) -> None:
        while True:
            left = self._moved + self._seconds - time.monotonic()
            if left <= 0 and self._watches:
                self._expired = True
                assert self._cancel is not None
                self._cancel()
                return
            if self._over.wait(max(left, self._seconds / 10)):
                return
