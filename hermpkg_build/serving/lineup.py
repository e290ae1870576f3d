"""Which workers serve now: those of the present version, and of versions before that have calls to finish."""

from __future__ import annotations

import threading

from hermpkg_build.serving.calls import Call
from hermpkg_build.serving.errors import CallTimeoutError, PoolClosedError
from hermpkg_build.serving.slot import Slot
from hermpkg_build.serving.version import Version
from hermpkg_build.serving.waiting import Waiting


class Lineup:
    """The version that is served, its slots, and those of versions before that have calls to finish."""

    def __init__(self, waiting: Waiting) -> None:
        self.slots: list[Slot] = []
        self._waiting = waiting
        self._version: Version | None = None
        self._before: list[threading.Thread] = []
        self._retired: list[Slot] = []
        self._lock = threading.Lock()

    def take_over(self, version: Version, slots: list[Slot]) -> None:
        """Serve `version` from now on; retire what was served before."""
        with self._lock:
            before, old = self._version, self.slots
            self._version, self.slots = version, slots
            for slot in slots:
                slot.admit()
            if before is None:
                return
            self._waiting.together_again()
            for slot in old:
                slot.stop(at_once=False)
            thread = threading.Thread(
                target=self._finish, args=(before, old), name="hermpkg-retired", daemon=True
            )
            self._retired += old
            self._before = [*(each for each in self._before if each.is_alive()), thread]
            thread.start()

    def slot(self, number: int) -> Slot:
        """Return the slot of a worker."""
        with self._lock:
            return next(slot for slot in (*self.slots, *self._retired) if slot.number == number)

    def take_back(self, number: int) -> None:
        """Let a worker give back the calls that it has not begun."""
        with self._lock:
            found = [slot for slot in (*self.slots, *self._retired) if slot.number == number]
        for slot in found:
            slot.take_back()

    def revoke(self, call: Call) -> bool:
        """Take a call back that nobody has begun; False where it is being made, or was."""
        while not self._waiting.discard(call):
            holder = self._waiting.holder(call)
            if holder is None:
                return False
            self.take_back(holder)
        return True

    def expire(self, call: Call) -> None:
        """Tell the caller that the time is over, and end the worker that makes the call for nobody."""
        waited = self.revoke(call)
        where = "while it waited for a worker" if waited else "while a worker made it"
        call.fail(CallTimeoutError(f"a call of {call.callee} had no answer in its time, which ended {where}"))
        for slot in [*self.slots, *self._retired]:
            slot.expire(call)

    def drain(self) -> None:
        """Wait until all calls have answers."""
        for slot in self.slots:
            slot.join()
        for thread in list(self._before):
            thread.join()

    def end(self) -> None:
        """End everything now, and wait for that."""
        self._waiting.close()
        for call in self._waiting.clear():
            call.begin()
            call.fail(PoolClosedError("the pool was closed before the call had an answer"))
        with self._lock:
            slots = [*self.slots, *self._retired]
            version, self._version = self._version, None
        for slot in slots:
            slot.stop(at_once=True)
        if version is not None:
            version.close()
        for slot in slots:
            slot.join()
        for thread in list(self._before):
            thread.join()

    def _finish(self, version: Version, slots: list[Slot]) -> None:
        for slot in slots:
            slot.join()
        version.close()
        self._retired = [slot for slot in self._retired if slot not in slots]
