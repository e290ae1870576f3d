"""Brings calls to workers: at once where one has nothing to do, else in the queue."""

from __future__ import annotations

import asyncio
import os
import time
from contextlib import suppress
from functools import partial

from hermpkg_build.serving.calls import Call
from hermpkg_build.serving.errors import PoolClosedError
from hermpkg_build.serving.lineup import Lineup
from hermpkg_build.serving.timekeeper import Timekeeper
from hermpkg_build.serving.waiting import Waiting


class Dispatcher:
    """Brings calls to the workers of `lineup`; `window` is how many of a map are on their way at once."""

    def __init__(self, waiting: Waiting, lineup: Lineup, timekeeper: Timekeeper, window: int) -> None:
        self.window = window
        self._waiting = waiting
        self._lineup = lineup
        self._timekeeper = timekeeper
        self._process = os.getpid()

    def check_usable(self) -> None:
        """Raise PoolClosedError in a fork of the process that made the pool."""
        if os.getpid() != self._process:
            raise PoolClosedError(
                "the pool belongs to the process that made it, of which this one is a fork",
                next_step="make a pool in this process",
            )

    def put(self, call: Call, *, wait: bool) -> None:
        """Let a call wait for a worker. Raises QueueFullError and PoolClosedError."""
        self.check_usable()
        if call.worker is not None:
            call.worker = self._lineup.slots[call.worker].number
        call.future.revoke = partial(self._lineup.revoke, call)
        self._waiting.put(call, wait=wait)
        if call.deadline is not None:
            self._timekeeper.watch(call)

    def make(self, call: Call, *, wait: bool) -> None:
        """Make a call in this thread, where a worker has nothing to do; else `put` it."""
        self.check_usable()
        number = self._waiting.borrow() if call.worker is None else None
        if number is None:
            self.put(call, wait=wait)
            return
        if call.deadline is not None:
            self._timekeeper.watch(call)
        self._lineup.slot(number).make(call)

    async def room(self, deadline: float | None) -> None:
        """Wait until there is room for another call, at most until `deadline`."""
        loop = asyncio.get_running_loop()
        freed = asyncio.Event()

        def tell() -> None:
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(freed.set)

        self._waiting.call_when_room(tell)
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(freed.wait(), left)
