"""Calls are told of at their deadlines; one that has its answer is held by nobody."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable
from functools import partial
from queue import Queue

import pytest

from hermpkg_build.serving.calls import Call
from hermpkg_build.serving.requests import Callee
from hermpkg_build.serving.timekeeper import Timekeeper


def call_of(part: bytes, seconds: float) -> Call:
    """A call that has so many seconds, and can be revoked as one that waits can."""
    call = Call(callee=Callee("app:f", ""), parts=[part], retries=0, deadline=time.monotonic() + seconds)
    call.future.revoke = partial(list, [call])
    return call


@pytest.mark.parametrize(
    "end",
    [
        lambda call: call.answer(1),
        lambda call: call.fail(ValueError()),
        lambda call: call.future.cancel(),
    ],
    ids=["answer", "error", "cancelled"],
)
def test_what_was_sent_is_let_go_of_with_the_answer(end: Callable[[Call], object]) -> None:
    part = bytes(1000)
    before = sys.getrefcount(part)
    gc.disable()
    try:
        with Timekeeper(print) as keeper:
            for _ in range(3):
                call = call_of(part, 60)
                keeper.watch(call)
                end(call)
                del call
            assert sys.getrefcount(part) == before
    finally:
        gc.enable()


def test_calls_are_told_of_in_the_order_of_their_deadlines() -> None:
    told: Queue[Call] = Queue()
    with Timekeeper(told.put) as keeper:
        late, early, never, answered = (call_of(b"", seconds) for seconds in (0.2, 0.1, 60, 0.05))
        for call in (never, late, early, answered):
            keeper.watch(call)
        answered.answer(1)
        assert [told.get(timeout=30), told.get(timeout=30)] == [early, late]
    assert told.empty()
