"""Calls that wait for a worker, in the order in which they came, or in groups that are made together.

Some wait in the process of a worker that makes another one: so it need not be woken for each. These are taken
back where another worker could begin them sooner.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from hermpkg_build.serving.calls import Batch, Call
from hermpkg_build.serving.errors import PoolClosedError, QueueFullError
from hermpkg_build.serving.requests import Callee


class Waiting:
    """A queue of up to `limit` calls; with a `batch`, workers take several calls of one callee at once."""

    def __init__(self, limit: int, batch: Batch | None) -> None:
        self._limit = limit
        self._batch = batch
        self._calls: deque[Call] = deque()
        self._of_workers: dict[int, deque[Call]] = {}
        self._gathered: dict[Callee, list[Call]] = {}
        self._never_together: set[Callee] = set()
        self._when_room: list[Callable[[], None]] = []
        self._retired: set[int] = set()
        self._lent: set[int] = set()
        self._ahead: dict[int, dict[Call, float]] = {}
        """By worker, the calls that were sent to it while it made another one, and when they are late."""
        self._woken: set[int] = set()
        """Those that are about to take a call."""
        self._waits: dict[int, threading.Condition] = {}
        """By worker, what its thread waits for in `take`."""
        self._idle: dict[int, threading.Condition] = {}
        """Those that nobody has notified or borrowed, the last one first."""
        self._closed = False
        self._lock = threading.Lock()
        self._freed = threading.Condition(self._lock)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def put(self, call: Call, *, wait: bool) -> None:
        """Add a call; where there is no room, `wait` for some until its deadline, or raise QueueFullError.

        Raises PoolClosedError too.
        """
        with self._lock:
            while self._count >= self._limit and not self._closed:
                if not wait:
                    raise QueueFullError(
                        f"{self._limit} calls wait already",
                        next_step="call again later, or give the pool more workers, or a longer queue",
                    )
                left = None if call.deadline is None else call.deadline - time.monotonic()
                if left is not None and left <= 0:
                    raise QueueFullError(f"{self._limit} calls waited until the time of this one was over")
                self._freed.wait(left)
            if self._closed:
                raise PoolClosedError("the pool is closed")
            self._add(call, first=False)

    def put_back(self, call: Call) -> None:
        """Add a call that was taken and not made; it is the next."""
        with self._lock:
            self._add(call, first=True)

    def take(
        self, worker: int, has_ended: Callable[[], bool], take_back: Callable[[int], object]
    ) -> list[Call]:
        """Wait for calls; none where the worker is retired or `has_ended`, or where nothing more comes.

        Those whose callers have cancelled them are left out. `take_back` is called with a worker to which
        calls were sent that this one can begin now, and gives them to `return_ahead`.
        """
        with self._lock:
            while worker in self._lent or not (worker in self._retired or has_ended()):
                if worker not in self._lent:
                    self._take_back(worker, take_back)
                first = None if worker in self._lent else self._next(worker)
                if first is None:
                    if self._closed and worker not in self._lent:
                        break
                    self._wait(worker)
                elif first.begin():
                    return self._with_others(first, worker)
            if self._calls:
                # It may have been woken for a call, which is another one's now.
                self._wake_one()
        return []

    def take_ahead(self, worker: int, most: int, seconds: float) -> Call | None:
        """Take a call of up to `most` bytes, which no other worker can begin, for one that makes another.

        Where it has not begun after so many `seconds`, the next worker that can makes it.
        """
        with self._lock:
            if self._batch is not None or worker in self._retired:
                return None
            free = len(self._calls) > len(self._idle) + len(self._woken)
            for calls in (self._of_workers.get(worker), self._calls if free else None):
                while calls and calls[0].future.done():
                    calls.popleft()
                    self._count -= 1
                    self._room()
                if calls and calls[0].size <= most:
                    call = calls.popleft()
                    self._ahead.setdefault(worker, {})[call] = time.monotonic() + seconds
                    return call
        return None

    def began(self, worker: int, calls: Sequence[Call]) -> None:
        """Note that a worker makes calls now, of which those that it had ahead wait no more."""
        with self._lock:
            for call in calls:
                self._no_more_ahead(worker, call)
                call.begin()

    def return_ahead(self, worker: int, calls: Sequence[Call]) -> None:
        """Let calls that were taken back from a worker be the next ones, in their order.

        One that was taken for begun may be among them.
        """
        with self._lock:
            for call in reversed(calls):
                self._no_more_ahead(worker, call)
                if not call.future.done():
                    if call.worker in self._retired:
                        call.worker = None
                    self._add(call, first=True)

    def holder(self, call: Call) -> int | None:
        """Return the worker to which a call was sent ahead."""
        with self._lock:
            return next((worker for worker, calls in self._ahead.items() if call in calls), None)

    def held_up(self, worker: int) -> int | None:
        """Return another worker to which a call was sent that waits for longer than it was to."""
        with self._lock:
            return self._held_up(worker, only_stale=True)

    def borrow(self) -> int | None:
        """Take a worker that waits, for a call that this thread makes itself; None where none waits."""
        with self._lock:
            if self._closed or self._batch is not None or not self._idle or self._calls:
                return None
            worker, _ = self._idle.popitem()
            self._lent.add(worker)
            return worker

    def give_back(self, worker: int, *, usable: bool) -> None:
        """Let a worker that was borrowed take calls again, or be replaced."""
        with self._lock:
            self._lent.discard(worker)
            busy = self._closed or self._calls or worker in self._retired or worker in self._of_workers
            if busy or not usable:
                self._waits[worker].notify()
            else:
                self._idle[worker] = self._waits[worker]

    def wake(self) -> None:
        """Let `take` look again whether workers have ended."""
        with self._lock:
            self._wake_all()

    def discard(self, call: Call) -> bool:
        """Take a call out; False where it does not wait here."""
        with self._lock:
            for calls in (self._calls, *self._of_workers.values()):
                if call in calls:
                    calls.remove(call)
                    self._count -= 1
                    self._room()
                    return True
            for gathered in self._gathered.values():
                if call in gathered:
                    gathered.remove(call)
                    return True
        return False

    def call_when_room(self, callback: Callable[[], None]) -> None:
        """Call back once, soon if there is room now, else when there is some or nothing more is taken."""
        with self._lock:
            if self._count < self._limit or self._closed:
                callback()
            else:
                self._when_room.append(callback)

    def never_together(self, callee: Callee) -> bool:
        """Give workers calls of a callee one by one from now on; False where that is so already."""
        with self._lock:
            is_new = callee not in self._never_together
            self._never_together.add(callee)
            return is_new

    def together_again(self) -> None:
        """Forget which callees cannot be called together: they are of another version now."""
        with self._lock:
            self._never_together.clear()

    def retire(self, worker: int) -> None:
        """Give a worker nothing more."""
        with self._lock:
            self._retired.add(worker)
            self._idle.pop(worker, None)
            # What only it could do, another will do.
            for call in self._of_workers.pop(worker, ()):
                call.worker = None
                self._calls.append(call)
            self._wake_all()

    def close(self) -> None:
        """Take nothing more; what is here is still given."""
        with self._lock:
            self._closed = True
            self._room()
            self._wake_all()

    def clear(self) -> list[Call]:
        """Take all calls out, and return them."""
        with self._lock:
            left = [*self._calls, *(call for calls in self._of_workers.values() for call in calls)]
            self._calls.clear()
            self._of_workers.clear()
            self._count = sum(map(len, self._ahead.values()))
            self._room()
            self._freed.notify_all()
            return left

    def _add(self, call: Call, *, first: bool) -> None:
        gathered = self._gathered.get(call.callee)
        if gathered is not None and self._may_join(call):
            assert self._batch is not None
            if len(gathered) < self._batch.size and call.begin():
                gathered.append(call)
                if len(gathered) == self._batch.size:
                    self._wake_all()
                return
        calls = self._calls if call.worker is None else self._of_workers.setdefault(call.worker, deque())
        if first:
            calls.appendleft(call)
        else:
            calls.append(call)
        self._count += 1
        if call.worker is None:
            self._wake_one()
        elif wait := self._waits.get(call.worker):
            wait.notify()

    def _next(self, worker: int) -> Call | None:
        for calls in (self._of_workers.get(worker), self._calls):
            if calls:
                self._count -= 1
                call = calls.popleft()
                self._room()
                return call
        return None

    def _take_back(self, worker: int, take_back: Callable[[int], object]) -> None:
        """Let others give back what `worker` can begin now."""
        asked: set[int] = set()
        while (other := self._held_up(worker)) is not None and other not in asked:
            asked.add(other)
            self._lock.release()
            try:
                take_back(other)
            finally:
                self._lock.acquire()

    def _held_up(self, worker: int, *, only_stale: bool = False) -> int | None:
        """Return another worker, of which calls were better taken back and made by `worker`."""
        now = time.monotonic()
        next_order = self._calls[0].order if self._calls else None
        for other, calls in self._ahead.items():
            for call, due in calls.items() if other != worker else ():
                if call.worker is not None:
                    continue
                stale = now > due and (next_order is None or call.order < next_order)
                if stale or (next_order is None and not only_stale):
                    return other
                break
        return None

    def _no_more_ahead(self, worker: int, call: Call) -> None:
        if self._ahead.get(worker, {}).pop(call, None) is not None:
            self._count -= 1
            self._room()

    def _may_join(self, call: Call) -> bool:
        return (
            self._batch is not None
            and not call.alone
            and call.worker is None
            and call.callee not in self._never_together
        )

    def _with_others(self, first: Call, worker: int) -> list[Call]:
        if not self._may_join(first):
            return [first]
        assert self._batch is not None
        gathered = [first]
        for call in list(self._calls):
            if len(gathered) >= self._batch.size:
                break
            if call.callee == first.callee and self._may_join(call):
                self._calls.remove(call)
                self._count -= 1
                if call.begin():
                    gathered.append(call)
        self._gathered[first.callee] = gathered
        end = first.arrived + self._batch.delay
        try:
            self._room()
            while len(gathered) < self._batch.size and not self._closed:
                left = end - time.monotonic()
                if left <= 0:
                    break
                self._wait(worker, left, idle=False)
        finally:
            if self._gathered.get(first.callee) is gathered:
                del self._gathered[first.callee]
        return gathered

    def _wait(self, worker: int, seconds: float | None = None, *, idle: bool = True) -> None:
        """Wait for something to do; `idle` workers can be given any call."""
        wait = self._waits[worker] = threading.Condition(self._lock)
        if idle and worker not in self._lent and worker not in self._retired:
            self._idle[worker] = wait
        try:
            wait.wait(seconds)
        finally:
            del self._waits[worker]
            self._idle.pop(worker, None)
            self._woken.discard(worker)

    def _wake_one(self) -> None:
        if self._idle:
            worker, wait = self._idle.popitem()
            self._woken.add(worker)
            wait.notify()

    def _wake_all(self) -> None:
        for wait in self._waits.values():
            wait.notify()

    def _room(self) -> None:
        callbacks, self._when_room = self._when_room, []
        for callback in callbacks:
            callback()
        if self._closed:
            self._freed.notify_all()
        else:
            self._freed.notify()
