"""One place for a worker: a thread that gives it calls, and gets another one where it has died."""

from __future__ import annotations

import functools
import logging
import pickle
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future

from hermpkg_build.printable import one_line
from hermpkg_build.serving.calls import Call
from hermpkg_build.serving.channel import EndOfChannel, Part
from hermpkg_build.serving.errors import (
    ArtifactChangedError,
    CallError,
    PoolClosedError,
    WorkerDiedError,
    WorkersFailedError,
)
from hermpkg_build.serving.raised import unpack_raised
from hermpkg_build.serving.requests import Load, Ran, Run, Target
from hermpkg_build.serving.transfer import PackagedClassError, unpack
from hermpkg_build.serving.version import Version, WorkerProcess
from hermpkg_build.serving.waiting import Waiting

_log = logging.getLogger("hermpkg_build.serving")

_STARTS_BEFORE_FAILURE = 3
_LONGEST_PAUSE_S = 10.0
_PATIENCE_S = 15.0
"""For how long workers may be ended, by the system or by others, before they could take a call."""
_DEATHS_BEFORE_IT_BEGAN = 20
"""A call that has not begun is made by another worker, so often at most."""


class Shared:
    """What the slots of a pool know together: targets in use, workers that died, whether any starts."""

    def __init__(self, waiting: Waiting, load: Sequence[Target], start_limit: float) -> None:
        self.waiting = waiting
        self.start_limit = start_limit
        self.replaced: int = 0
        self._targets: dict[Target, None] = dict.fromkeys(load)
        self._failed_starts = 0
        self._living = 0
        self._last_lived = time.monotonic()
        self._lock = threading.Lock()

    def targets(self) -> list[Target]:
        """Return what a new worker loads before it gets calls."""
        with self._lock:
            return list(self._targets)

    def used(self, target: Target) -> None:
        """Note that a call of a target had a result."""
        if target not in self._targets:
            with self._lock:
                self._targets[target] = None

    def lives(self, difference: int) -> None:
        """Note that so many more workers are ready for calls."""
        with self._lock:
            self._living += difference
            self._last_lived = time.monotonic()
            if difference > 0:
                self._failed_starts = 0
            else:
                self.replaced += 1

    def failed_to_start(self, error: Exception) -> int:
        """Note that a worker could not be started; say how many could not one after the other.

        Where none lives, and none can be started, the calls that wait get an error.
        """
        with self._lock:
            self._failed_starts += 1
            often = self._failed_starts >= _STARTS_BEFORE_FAILURE
            # What packed code raises once it will raise again.
            lasting = not isinstance(error, WorkersFailedError)
            hopeless = (
                not self._living and often and (lasting or time.monotonic() - self._last_lived > _PATIENCE_S)
            )
        if hopeless:
            for call in self.waiting.clear():
                call.fail(_no_workers(error))
        return self._failed_starts


class Slot:
    """Serves calls of `shared.waiting` with one worker of `version` at a time; `number` tells it from others.

    `ready` has a result once its first worker is ready, or the reason why there is none.
    """

    def __init__(self, number: int, version: Version, shared: Shared) -> None:
        self.number = number
        self.version = version
        self.ready: Future[None] = Future()
        self.pid: int = 0
        self._shared = shared
        self._worker: WorkerProcess | None = None
        self._current: Sequence[Call] = ()
        self._condemned = False
        self._messages = 0
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._admitted = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"hermpkg-worker-{number}", daemon=True)

    def start(self) -> None:
        """Start the thread, and the worker in it."""
        self._thread.start()

    def admit(self) -> None:
        """Let it take calls: until then it only makes its worker ready."""
        self._admitted.set()

    def is_busy(self) -> bool:
        """Whether calls are being made."""
        return bool(self._current)

    def make(self, call: Call) -> None:
        """Make a call in this thread, which has borrowed the worker."""
        worker = self._worker
        try:
            if worker is None or worker.has_ended():
                call.begin()
                self._shared.waiting.put_back(call)
            elif call.begin():
                self._serve(worker, [call])
        finally:
            self._shared.waiting.give_back(self.number, usable=self._worker is not None)

    def expire(self, call: Call) -> None:
        """End the worker, where nobody waits any more for what it does, as `call` was the last one."""
        with self._lock:
            if call not in self._current or not all(each.future.done() for each in self._current):
                return
            self._condemned = True
            if self._worker is not None:
                self.version.kill(self._worker)

    def stop(self, *, at_once: bool) -> None:
        """Take no more calls; `at_once`, end the worker and its calls too."""
        self._stopping.set()
        self._admitted.set()
        self._shared.waiting.retire(self.number)
        if at_once:
            with self._lock:
                for call in self._current:
                    call.fail(PoolClosedError("the pool was closed before the call had an answer"))
                if self._worker is not None:
                    self.version.kill(self._worker)

    def join(self) -> None:
        """Wait until its calls have answers and its worker has ended."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        try:
            while worker := self._ready_worker():
                self._admitted.wait()
                calls = self._shared.waiting.take(self.number, functools.partial(self._has_lost, worker))
                if calls:
                    self._serve(worker, calls)
                elif self._worker is not worker:
                    continue
                elif worker.has_ended():
                    self._mourn(worker, [])
                else:
                    break
        finally:
            if self._worker is not None:
                self._worker.close()
                self._worker = None
                self._shared.lives(-1)
                self._shared.replaced -= 1
            if not self.ready.done():
                self.ready.set_exception(PoolClosedError("the pool is closed"))

    def _has_lost(self, worker: WorkerProcess) -> bool:
        return self._worker is not worker or worker.has_ended()

    def _ready_worker(self) -> WorkerProcess | None:
        """Return the worker, a new one if need be; None where the pool does without this slot."""
        while self._worker is None:
            if self._stopping.is_set():
                return None
            try:
                worker = self._started_worker()
            except Exception as error:  # noqa: BLE001 -- packed code may raise anything while it is loaded
                if not self.ready.done():
                    self.ready.set_exception(error)
                    return None
                if isinstance(error, PoolClosedError):
                    return None
                failures = self._shared.failed_to_start(error)
                _log.warning("a worker cannot be started: %s", one_line(str(error)))
                self._stopping.wait(min(_LONGEST_PAUSE_S, 0.05 * 2**failures))
                continue
            self.pid = worker.pid
            with self._lock:
                self._worker = worker
                self._condemned = False
            self._messages = 0
            self._shared.lives(1)
            if not self.ready.done():
                self.ready.set_result(None)
        return self._worker

    def _started_worker(self) -> WorkerProcess:
        """Start a worker, and wait until it has loaded what calls will need."""
        worker = self.version.start_worker(self._shared.waiting.wake)
        try:
            worker.channel.set_timeout(self._shared.start_limit)
            worker.channel.send([pickle.dumps(Load(self._shared.targets()))])
            parts, _ = worker.channel.receive()
            if pickle.loads(parts[0]) is not None:
                raise unpack_raised([bytes(part) for part in parts[1:]], self.version.prefix)
            worker.channel.set_timeout(None)
        except EndOfChannel:
            reason = worker.how_it_ended()
            worker.close()
            raise WorkersFailedError(
                f"a worker ended while it loaded what calls need: {reason}",
                facts=[("file", self.version.opening.file)],
                next_step="what it wrote to standard error may say why",
            ) from None
        except TimeoutError:
            self.version.kill(worker)
            worker.close()
            raise WorkersFailedError(
                f"a worker took more than {self._shared.start_limit:g} s to load what calls need",
                facts=[("file", self.version.opening.file)],
                next_step="give the pool a longer start_limit",
            ) from None
        except BaseException:
            worker.close()
            raise
        return worker

    def _serve(self, worker: WorkerProcess, calls: list[Call]) -> None:
        with self._lock:
            self._current = calls
        self._messages += 1
        request = Run(self._messages, [(call.callee, len(call.parts)) for call in calls], len(calls) > 1)
        try:
            worker.channel.send([pickle.dumps(request), *(part for call in calls for part in call.parts)])
            parts, _ = worker.channel.receive()
        except EndOfChannel:
            self._mourn(worker, calls)
            return
        except BaseException as error:  # there is no memory for the message, or the caller is interrupted
            self.version.kill(worker)
            self._without_worker(worker)
            for call in calls:
                call.fail(error)
            if not isinstance(error, Exception):
                raise
            return
        try:
            self.version.check_unchanged()
        except ArtifactChangedError as error:
            for call in calls:
                call.fail(error)
        else:
            self._answer(calls, pickle.loads(parts[0]), parts[1:])
        with self._lock:
            self._current = ()
            condemned = self._condemned
        if condemned:
            self._without_worker(worker)

    def _answer(self, calls: Sequence[Call], ran: Ran, parts: Sequence[Part]) -> None:
        if ran.apart and self._shared.waiting.never_together(calls[0].callee):
            callee, reason = one_line(str(calls[0].callee)), one_line(ran.apart)
            _log.warning("calls of %s are made one by one from now on: %s", callee, reason)
        at = 0
        for call, (kind, count) in zip(calls, ran.outcomes, strict=True):
            own, at = parts[at : at + count], at + count
            if kind == "raised":
                call.fail(unpack_raised(list(own), self.version.prefix))
                continue
            try:
                call.answer(unpack(own, self.version.prefix))
                self._shared.used(call.callee.target)
            except PackagedClassError as error:
                call.fail(_packaged_result(call, error.name))
            except Exception as error:  # noqa: BLE001 -- a class of this process may refuse its state
                call.fail(error)

    def _mourn(self, worker: WorkerProcess, calls: Sequence[Call]) -> None:
        """Let others make the calls of a dead worker that may be made again; tell callers of the rest."""
        reason = "a call took longer than it might" if self._condemned else worker.how_it_ended()
        self._without_worker(worker)
        if not self._stopping.is_set():
            _log.warning("worker %d was replaced: %s", worker.pid, reason)
        for index, call in reversed(list(enumerate(calls))):
            if call.future.done():
                continue
            if not worker.progress.has_begun(self._messages, index):
                call.deaths_before_it_began += 1
                again = call.deaths_before_it_began < _DEATHS_BEFORE_IT_BEGAN
            elif len(calls) > 1:
                # It may be another one's fault, which shows when each is made alone.
                again = call.alone = True
            else:
                again = call.retries > 0
                call.retries -= 1
            if again:
                self._shared.waiting.put_back(call)
            else:
                call.fail(_died(call, reason))

    def _without_worker(self, worker: WorkerProcess) -> None:
        with self._lock:
            self._current = ()
            if self._worker is not worker:
                return
            self._worker = None
        worker.close()
        self._shared.lives(-1)


def _died(call: Call, reason: str) -> WorkerDiedError:
    return WorkerDiedError(
        f"the worker that called {call.callee} died: {reason}",
        next_step="what it wrote to standard error may say why; retries=1 lets another worker try",
    )


def _packaged_result(call: Call, name: str) -> CallError:
    error = CallError(
        f"{call.callee} gave an object of a class of the packaged module {name}, which is not open here"
    )
    error.next_step = (
        "return tensors and containers of Python's, or give the pool an importer of the artifact"
    )
    return error


def _no_workers(error: Exception) -> WorkersFailedError:
    failed = WorkersFailedError(
        "no worker can be started", facts=[("reason", str(error))], next_step="swap() to a version that works"
    )
    failed.__cause__ = error
    return failed
