"""One place for a worker: a thread that gives it calls, and gets another one where it has died."""

from __future__ import annotations

import functools
import logging
import pickle
import threading
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
from hermpkg_build.serving.line import Left, Line
from hermpkg_build.serving.raised import unpack_raised
from hermpkg_build.serving.requests import Load, Ran
from hermpkg_build.serving.shared import Shared
from hermpkg_build.serving.transfer import PackagedClassError, unpack
from hermpkg_build.serving.version import Version, WorkerProcess

_log = logging.getLogger("hermpkg_build.serving")

_LONGEST_PAUSE_S = 10.0
_KILLS_OF_THE_FIRST = 3
"""A version is not served whose first workers are killed so often, one after the other."""
_DEATHS_BEFORE_IT_BEGAN = 20
"""A call that has not begun is made by another worker, so often at most."""


class _KilledError(WorkersFailedError):
    """A worker was killed before it could take a call: by the system or by others, so it may not be again."""


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
        self._line: Line | None = None
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
        line = self._line
        return line is not None and not line.is_empty

    def make(self, call: Call) -> None:
        """Make a call in this thread, which has borrowed the worker."""
        line = self._line
        try:
            if line is None or line.worker.has_ended():
                call.begin()
                self._shared.waiting.put_back(call)
            elif call.begin() and self._send(line, [call]):
                self._hear(line)
        finally:
            self._shared.waiting.give_back(self.number, usable=self._line is not None)

    def take_back(self) -> None:
        """Let the calls that the worker has not begun wait for any."""
        line = self._line
        if line is not None:
            line.take_back()

    def expire(self, call: Call) -> None:
        """End the worker, where nobody waits any more for what it does, as `call` was the last one."""
        line = self._line
        if line is not None and call in line.calls():
            line.expire(call)

    def stop(self, *, at_once: bool) -> None:
        """Take no more calls; `at_once`, end the worker and its calls too."""
        self._stopping.set()
        self._admitted.set()
        self._shared.waiting.retire(self.number)
        self.take_back()
        with self._lock:
            line = self._line
        if at_once and line is not None:
            for call in line.calls():
                call.fail(PoolClosedError("the pool was closed before the call had an answer"))
            self.version.kill(line.worker)

    def join(self) -> None:
        """Wait until its calls have answers and its worker has ended."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        waiting = self._shared.waiting
        try:
            while line := self._ready_line():
                self._admitted.wait()
                calls = waiting.take(
                    self.number, functools.partial(self._has_lost, line), self._shared.take_back
                )
                if calls:
                    if self._send(line, calls):
                        self._serve(line)
                elif self._line is not line:
                    continue
                elif line.worker.has_ended():
                    self._mourn(line)
                else:
                    break
        finally:
            if self._line is not None:
                for left in self._without(self._line):
                    left.call.fail(PoolClosedError("the pool is closed"))
                self._shared.replaced -= 1
            if not self.ready.done():
                self.ready.set_exception(PoolClosedError("the pool is closed"))

    def _has_lost(self, line: Line) -> bool:
        return self._line is not line or line.worker.has_ended()

    def _ready_line(self) -> Line | None:
        """Return the line to the worker, a new one if need be; None where the pool does without this slot."""
        kills = 0
        while self._line is None:
            if self._stopping.is_set():
                return None
            try:
                worker = self._started_worker()
            except Exception as error:  # noqa: BLE001 -- packed code may raise anything while it is loaded
                kills += isinstance(error, _KilledError)
                if not self.ready.done():
                    if isinstance(error, _KilledError) and kills < _KILLS_OF_THE_FIRST:
                        continue
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
                self._line = Line(self.number, worker, self._shared.waiting, self.version.kill)
            self._shared.lives(1)
            if not self.ready.done():
                self.ready.set_result(None)
        return self._line

    def _started_worker(self) -> WorkerProcess:
        """Start a worker, and wait until it has loaded what calls will need."""
        worker = self.version.start_worker(self.number, self._shared.waiting.wake)
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
            raise (_KilledError if worker.was_killed else WorkersFailedError)(
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

    def _serve(self, line: Line) -> None:
        """Hear of what was sent, and send more meanwhile, until there is nothing more at once."""
        waiting = self._shared.waiting
        while not line.is_empty:
            if (other := waiting.held_up(self.number)) is not None:
                self._shared.take_back(other)
            while line.send_ahead():
                pass
            self._hear(line)

    def _send(self, line: Line, calls: Sequence[Call]) -> bool:
        """Send calls; False where they were not, and are not this slot's any more."""
        try:
            if line.send(calls):
                return True
        except OSError as error:  # there is no memory for the message
            for call in calls:
                call.fail(error)
        except BaseException as error:  # the caller is interrupted
            self._give_up(line, error, calls)
            raise
        for call in reversed(calls):
            if not call.future.done():
                self._shared.waiting.put_back(call)
        return False

    def _hear(self, line: Line) -> None:
        """Wait for the answer to the first message of a line, and give it to its callers."""
        try:
            calls, ran, parts = line.receive()
        except EndOfChannel:
            self._mourn(line)
            return
        except BaseException as error:  # the caller is interrupted
            self._give_up(line, error, ())
            if not isinstance(error, Exception):
                raise
            return
        try:
            self.version.check_unchanged()
        except ArtifactChangedError as error:
            for call in calls:
                call.fail(error)
        else:
            self._answer(calls, ran, parts)
        line.worker.channel.done()
        if line.condemned:
            self._mourn(line)

    def _give_up(self, line: Line, error: BaseException, calls: Sequence[Call]) -> None:
        self.version.kill(line.worker)
        for call in (*line.calls(), *calls):
            call.fail(error)
        self._without(line)

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

    def _mourn(self, line: Line) -> None:
        """Let others make the calls of a dead worker that may be made again; tell callers of the rest."""
        worker = line.worker
        reason = "a call took longer than it might" if line.condemned else worker.how_it_ended()
        if not self._stopping.is_set():
            _log.warning("worker %d was replaced: %s", worker.pid, reason)
        for call, begun, in_company, was_next in reversed(self._without(line)):
            if call.future.done():
                continue
            if not begun:
                call.deaths_before_it_began += was_next
                again = call.deaths_before_it_began < _DEATHS_BEFORE_IT_BEGAN
            elif in_company:
                # It may be another one's fault, which shows when each is made alone.
                again = call.alone = True
            else:
                again = call.retries > 0
                call.retries -= 1
            if again:
                self._shared.waiting.put_back(call)
            else:
                call.fail(_died(call, reason))

    def _without(self, line: Line) -> list[Left]:
        """Go without a worker; return the calls that it leaves."""
        with self._lock:
            if self._line is not line:
                return []
            self._line = None
        left = line.abandon()
        self._shared.lives(-1)
        return left


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
