"""Something of an artifact that can be called, with how it is to be called."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from typing import Any

from hermpkg_build.serving.calls import Call
from hermpkg_build.serving.dispatcher import Dispatcher
from hermpkg_build.serving.errors import QueueFullError
from hermpkg_build.serving.requests import Callee
from hermpkg_build.serving.transfer import pack


class Bound:
    """Something of an artifact, and how it is called: `call`, `submit`, `map` and `acall` of a pool."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        callee: Callee,
        timeout: float | None,
        retries: int,
        wait: bool,
        worker: int | None,
    ) -> None:
        self._dispatcher = dispatcher
        self._callee = callee
        self._timeout = timeout
        self._retries = retries
        self._wait = wait
        self._worker = worker

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do as `call` does."""
        return self.call(*args, **kwargs)

    def call(self, *args: Any, **kwargs: Any) -> Any:
        """Call it; see `Pool.call`."""
        # The arguments need no copy: the caller, who could change them, waits.
        call = self._made(pack((args, kwargs)))
        try:
            self._dispatcher.make(call, wait=self._wait)
            return call.future.result()
        finally:
            # The caller may have been interrupted.
            call.future.cancel()

    def submit(self, *args: Any, **kwargs: Any) -> Future[Any]:
        """Start a call; see `Pool.submit`."""
        call = self._made(pack((args, kwargs), copied=True))
        self._dispatcher.put(call, wait=self._wait)
        return call.future

    def map(self, *iterables: Iterable[Any]) -> Iterator[Any]:
        """Call it for each element; see `Pool.map`."""
        elements = zip(*iterables)  # noqa: B905 -- as the builtin map, it ends with the shortest
        futures: deque[Future[Any]] = deque()
        for args in itertools.islice(elements, self._dispatcher.window):
            futures.append(self.submit(*args))
        return self._results(elements, futures)

    async def acall(self, *args: Any, **kwargs: Any) -> Any:
        """Call it; see `Pool.acall`."""
        call = self._made(pack((args, kwargs), copied=True))
        while True:
            try:
                self._dispatcher.put(call, wait=False)
                break
            except QueueFullError:
                if not self._wait or (call.deadline is not None and time.monotonic() >= call.deadline):
                    raise
            await self._dispatcher.room(call.deadline)
        return await asyncio.wrap_future(call.future)

    def _made(self, parts: Any) -> Call:
        deadline = None if self._timeout is None else time.monotonic() + self._timeout
        return Call(
            callee=self._callee, parts=parts, retries=self._retries, deadline=deadline, worker=self._worker
        )

    def _results(self, elements: Iterator[tuple[Any, ...]], futures: deque[Future[Any]]) -> Iterator[Any]:
        try:
            while futures:
                result = futures.popleft().result()
                for args in itertools.islice(elements, 1):
                    futures.append(self.submit(*args))
                yield result
        finally:
            for future in futures:
                future.cancel()
