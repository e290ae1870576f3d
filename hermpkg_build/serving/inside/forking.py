"""Forks processes that run one function, and tells of their end: for processes without other threads."""

from __future__ import annotations

import os
import select
import signal
import sys
import traceback
import warnings
from collections.abc import Callable
from contextlib import suppress

_LOOK_S = 2.0
"""How often a process looks whether its parent lives, should nothing else tell of that."""


def fork(run: Callable[[], None]) -> int:
    """Start a process that calls `run` and ends with it; return its number."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(Exception):
            stream.flush()
    with warnings.catch_warnings():
        # The threads that Python warns of are those of libraries for linear algebra, which know of forks.
        warnings.simplefilter("ignore", DeprecationWarning)
        process = os.fork()
    if process:
        return process
    status = 1
    try:
        run()
        status = 0
    except BaseException:  # noqa: BLE001 -- nothing of the parent's may run on here
        with suppress(BaseException):
            traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with suppress(BaseException):
                stream.flush()
        os._exit(status)


class Watch:
    """Waits for requests of a descriptor, the end of children, and the end of the parent."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._parent = os.getppid()
        self._wake_up, write = os.pipe()
        for end in (self._wake_up, write):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def wait(self) -> bool:
        """Wait until something happens; say whether there is a request. Raises EOFError without a parent."""
        ready, _, _ = select.select([self._descriptor, self._wake_up], [], [], _LOOK_S)
        if self._wake_up in ready:
            with suppress(BlockingIOError):
                os.read(self._wake_up, 512)
        if os.getppid() != self._parent:
            raise EOFError
        return self._descriptor in ready


def ended_children() -> list[tuple[int, int]]:
    """Return the numbers of the children that have ended since, each with the return code of subprocess."""
    ended: list[tuple[int, int]] = []
    with suppress(ChildProcessError):
        while True:
            process, status = os.waitpid(-1, os.WNOHANG)
            if not process:
                break
            ended.append((process, os.waitstatus_to_exitcode(status)))
    return ended
