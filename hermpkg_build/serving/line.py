"""What is on its way to one worker: the message that it works at, and some that it finds after that."""

from __future__ import annotations

import pickle
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple, final

from hermpkg_build.core.closing import Closing
from hermpkg_build.dataclass import dataclass
from hermpkg_build.serving.calls import Call
from hermpkg_build.serving.channel import EndOfChannel, Part
from hermpkg_build.serving.requests import Ran, Run
from hermpkg_build.serving.version import WorkerProcess
from hermpkg_build.serving.waiting import Waiting

_WORK_AHEAD_S = 0.005
_FEW_AHEAD = 2
_FEW_AHEAD_S = 0.1
"""A worker has up to seven calls ahead, that it makes in 5 ms, or two where it takes longer for these."""
_PATIENCE_S = 0.02
_PATIENCE = 4
"""A call that has not begun after so many times the time that is between, is made by another worker."""
_LONG_S = 0.25
"""Behind calls that take longer none are sent ahead: waking a worker takes nothing beside them."""
_MOST_AHEAD = 7
_MOST_BYTES = 32 << 20
_SURE_S = 0.1
_WEIGHT = 0.3
"""Of the last message, in how long messages take."""


@dataclass(slots=True, kw_only=True, eq=False)
class _Sent:
    """A message; `ahead` as long as its calls are taken for ones that wait."""

    number: int
    calls: Sequence[Call]
    ahead: bool

    @property
    def size(self) -> int:
        return sum(call.size for call in self.calls)


class Left(NamedTuple):
    """A call that a worker leaves: whether it had begun, whether others were with it, and was it the next."""

    call: Call
    begun: bool
    in_company: bool
    was_next: bool


@final
class Line(Closing):
    """The messages to `worker`, the one of the slot `number`; `kill` ends it.

    One thread sends and receives; others take back what the worker has not begun.
    """

    def __init__(
        self, number: int, worker: WorkerProcess, waiting: Waiting, kill: Callable[[WorkerProcess], None]
    ) -> None:
        self.worker = worker
        self.condemned: bool = False
        self._number = number
        self._waiting = waiting
        self._kill = kill
        self._in_flight: deque[_Sent] = deque()
        self._messages = 0
        self._seconds = _LONG_S * 2
        self._closed = False
        self._lock = threading.Lock()

    @property
    def is_empty(self) -> bool:
        """Whether nothing is on its way."""
        return not self._in_flight

    def calls(self) -> list[Call]:
        """Return the calls that are on their way."""
        with self._lock:
            return [call for sent in self._in_flight for call in sent.calls]

    def send(self, calls: Sequence[Call]) -> bool:
        """Send calls; False where the worker is to get none. Raises OSError where there is no memory.

        Whether they arrive shows in `receive`.
        """
        with self._lock:
            if self.condemned or self._closed:
                return False
            self._send(calls, ahead=False)
            return True

    def send_ahead(self) -> bool:
        """Send a call that waits, if the worker is to have more; say whether there was one."""
        with self._lock:
            room = self._room_ahead()
            patience = max(_PATIENCE_S, _PATIENCE * len(self._in_flight) * self._seconds)
            call = self._waiting.take_ahead(self._number, room, patience) if room else None
            if call is None:
                return False
            try:
                self._send([call], ahead=True)
                return True
            except OSError as error:
                self._waiting.began(self._number, [call])
                no_memory = error
        call.fail(no_memory)
        return True

    def receive(self) -> tuple[Sequence[Call], Ran, Sequence[Part]]:
        """Wait for the answer to the first message; return the calls with it. Raises EndOfChannel."""
        parts, _ = self.worker.channel.receive()
        ran: Ran = pickle.loads(parts[0])
        with self._lock:
            sent = self._in_flight.popleft()
            if sent.number != ran.message:
                raise EndOfChannel
            self._seconds += (ran.seconds - self._seconds) * (_WEIGHT if ran.message > 1 else 1)
            if self._in_flight:
                self._begin(self._in_flight[0])
        return sent.calls, ran, parts[1:]

    def take_back(self) -> None:
        """Let the calls that the worker has not begun wait for any."""
        with self._lock:
            self._take_back()

    def expire(self, call: Call) -> None:
        """End the worker if it works at `call`, and nobody waits any more for what it does."""
        end = time.monotonic() + _SURE_S
        while True:
            with self._lock:
                # After this the worker begins nothing, so nothing else ends with it.
                self._take_back()
                in_flight = list(self._in_flight)
                place = next((at for at, sent in enumerate(in_flight) if call in sent.calls), None)
                if place is None or not all(each.future.done() for each in in_flight[place].calls):
                    return
                later = in_flight[place + 1 :]
                if any(self.worker.progress.has_begun(sent.number, 0) for sent in later):
                    return
                # Another that it is about to begin, it has begun by then, or waits behind this one.
                if not later or time.monotonic() > end:
                    self.condemned = True
                    self._kill(self.worker)
                    return
            time.sleep(_SURE_S / 20)

    def abandon(self) -> list[Left]:
        """Give up the worker, and let others make what it had ahead; return what else is left, in order."""
        self.close()
        left: list[Left] = []
        has_begun = self.worker.progress.has_begun
        with self._lock:
            for place, sent in enumerate(self._in_flight):
                if sent.ahead and has_begun(sent.number, 0):
                    self._begin(sent)
                if not sent.ahead:
                    company = len(sent.calls) > 1
                    left += [
                        Left(call, has_begun(sent.number, index), company, place == 0)
                        for index, call in enumerate(sent.calls)
                    ]
            ahead = [call for sent in self._in_flight if sent.ahead for call in sent.calls]
            self._in_flight.clear()
            self._waiting.return_ahead(self._number, ahead)
        return left

    def close(self) -> None:
        """Go without the worker."""
        with self._lock:
            closed, self._closed = self._closed, True
        if not closed:
            self.worker.close()

    def _send(self, calls: Sequence[Call], *, ahead: bool) -> None:
        self._messages += 1
        request = Run(
            self._messages, [(call.callee, len(call.parts)) for call in calls], len(calls) > 1, ahead
        )
        if ahead:
            self.worker.tickets.issue(self._messages)
        self._in_flight.append(_Sent(number=self._messages, calls=calls, ahead=ahead))
        try:
            self.worker.channel.send(
                [pickle.dumps(request), *(part for call in calls for part in call.parts)]
            )
        except EndOfChannel:
            return
        except BaseException:
            self._in_flight.pop()
            raise

    def _room_ahead(self) -> int:
        """The bytes of a call that may be sent ahead now; 0 for none."""
        ahead = len(self._in_flight) - 1
        work = (ahead + 1) * self._seconds
        enough = (
            ahead >= _MOST_AHEAD
            or (ahead >= _FEW_AHEAD and work > _WORK_AHEAD_S)
            or (ahead >= 1 and work > _FEW_AHEAD_S)
        )
        if ahead < 0 or enough or self.condemned or self._closed or self._seconds > _LONG_S:
            return 0
        return max(0, _MOST_BYTES - sum(sent.size for sent in self._in_flight))

    def _take_back(self) -> None:
        if self._closed:
            return
        numbers = self.worker.tickets.take_back()
        self.worker.progress.take_back(self._messages)
        back = [sent for sent in self._in_flight if sent.number in numbers]
        kept = [sent for sent in self._in_flight if sent.number not in numbers]
        for sent in kept:
            self._begin(sent)
        if back and not kept:
            # The thread that receives waits for the first one.
            self._in_flight.clear()
            self._send_again(back.pop(0).calls)
        else:
            self._in_flight = deque(kept)
        self._waiting.return_ahead(self._number, [call for sent in back for call in sent.calls])

    def _send_again(self, calls: Sequence[Call]) -> None:
        try:
            self._send(calls, ahead=False)
        except OSError as error:
            for call in calls:
                call.fail(error)
            self.condemned = True
            self._kill(self.worker)

    def _begin(self, sent: _Sent) -> None:
        if sent.ahead:
            sent.ahead = False
            self._waiting.began(self._number, sent.calls)
