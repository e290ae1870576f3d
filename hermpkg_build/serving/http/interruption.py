"""Ends what a task awaits, for a reason that comes from elsewhere; another task for that would take long."""

from __future__ import annotations

import asyncio
import sys
from typing import final


@final
class Interruption:
    """A block of the present task that ends with `error` where the interruption is called before its end."""

    def __init__(self, error: Exception) -> None:
        self._error = error
        self._task: asyncio.Task[object] | None = None
        self._happened = False

    def __enter__(self) -> Interruption:
        self._task = asyncio.current_task()
        return self

    def __call__(self) -> None:
        """Interrupt the block; after its end, or once more, nothing happens."""
        if self._task is not None and not self._happened:
            self._happened = True
            self._task.cancel()

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        task, self._task = self._task, None
        if self._happened and task is not None:
            if sys.version_info >= (3, 11):
                task.uncancel()
            if kind is asyncio.CancelledError:
                raise self._error from None
