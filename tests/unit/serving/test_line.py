"""Calls that are taken back from a worker are made by others, whatever the worker gets hold of meanwhile."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from hermpkg_build.serving.calls import Call
from hermpkg_build.serving.channel import Channel, SharedMemory, channel_pair
from hermpkg_build.serving.line import Line
from hermpkg_build.serving.progress import Progress, progress_of
from hermpkg_build.serving.requests import Callee, Ran, Run
from hermpkg_build.serving.tickets import Tickets, TicketsInside
from hermpkg_build.serving.version import WorkerProcess
from hermpkg_build.serving.waiting import Waiting


class Peer:
    """A worker that does what a test says, at the other end of a line; another worker is at work."""

    def __init__(self) -> None:
        ours, theirs = channel_pair()
        page = SharedMemory(1)
        self.tickets = Tickets()
        worker = WorkerProcess(1, ours, self.tickets, Progress(page.descriptor), lambda: None)
        self.progress = progress_of(page.descriptor)
        self.channel = Channel(theirs)
        self.inside = TicketsInside(self.tickets.descriptor, self.progress)
        self.waiting = Waiting(1000, None)
        self.killed: list[Any] = []
        self.line = Line(0, worker, self.waiting, self.killed.append)

    def submit(self, count: int) -> list[Call]:
        calls = [
            Call(callee=Callee("app:f", ""), parts=[b"x"], retries=0, deadline=None) for _ in range(count)
        ]
        for call in calls:
            self.waiting.put(call, wait=False)
        return calls

    def take(self, worker: int = 0) -> list[Call]:
        return self.waiting.take(worker, lambda: False, lambda _: None)

    def read(self) -> Run:
        parts, _ = self.channel.receive()
        run: Run = pickle.loads(parts[0])
        return run

    def begin(self, run: Run) -> bool:
        if run.back and not self.inside.get(run.message):
            return False
        self.progress.begin(run.message, 0)
        return True

    def answer(self, run: Run) -> list[Call]:
        ran = Ran(run.message, [("value", 0)], "", 0.0001)
        self.channel.send([pickle.dumps(ran)])
        return list(self.line.receive()[0])


@pytest.fixture
def peer():
    made = Peer()
    # Calls are short, as the first one tells.
    (first,) = made.submit(1)
    assert made.line.send(made.take())
    run = made.read()
    assert made.begin(run)
    assert made.answer(run) == [first]
    yield made
    made.line.close()
    made.channel.close()


def started(peer: Peer, count: int) -> tuple[list[Call], Run]:
    """Send `count` calls, of which the first is being made."""
    calls = peer.submit(count)
    assert peer.line.send(peer.take())
    while peer.line.send_ahead():
        pass
    run = peer.read()
    assert peer.begin(run)
    return calls, run


def test_what_was_not_begun_is_taken_back_in_order(peer):
    calls, run = started(peer, 4)
    assert len(peer.waiting) == 3
    peer.line.take_back()
    assert len(peer.waiting) == 3
    assert [peer.take(1) for _ in range(3)] == [[call] for call in calls[1:]]
    assert peer.answer(run) == calls[:1]
    assert peer.line.is_empty
    # What is in the socket of it yet is not begun.
    for _ in range(3):
        assert not peer.begin(peer.read())


def test_one_that_is_next_is_sent_again_where_all_was_taken_back(peer):
    """Somebody waits for an answer."""
    calls, run = started(peer, 3)
    assert peer.answer(run) == calls[:1]
    peer.line.take_back()
    assert not peer.begin(peer.read())
    assert not peer.begin(peer.read())
    again = peer.read()
    assert peer.begin(again)
    assert peer.answer(again) == calls[1:2]
    assert peer.take(1) == calls[2:]


def test_one_that_was_taken_for_begun_is_not_lost_where_its_ticket_was_taken_back(peer, monkeypatch):
    """The worker looks for the ticket while all are taken back: it gets the next one, and begins that."""
    calls, run = started(peer, 3)
    assert peer.answer(run) == calls[:1]
    assert calls[1].future.running()
    second = peer.read()

    def take_back() -> set[int]:
        (ticket,) = [peer.tickets.descriptor]
        import os

        taken = {int.from_bytes(os.read(ticket, 8), "little")}
        assert not peer.begin(second)
        return taken

    monkeypatch.setattr(peer.tickets, "take_back", take_back)
    peer.line.take_back()
    third = peer.read()
    assert peer.begin(third)
    assert peer.answer(third) == calls[2:]
    assert peer.take(1) == calls[1:2]


def test_a_worker_is_ended_only_for_what_it_works_at(peer):
    calls, run = started(peer, 3)
    for call in calls[:2]:
        call.fail(TimeoutError())
    peer.line.expire(calls[1])
    assert not peer.killed
    peer.line.expire(calls[0])
    assert peer.killed == [peer.line.worker]
    left = peer.line.abandon()
    assert [(each.call, each.begun) for each in left] == [(calls[0], True)]
    assert peer.take(1) == calls[2:]
    assert run.message == 2


def test_a_worker_that_has_gone_on_is_not_ended(peer):
    """It works at the next call, and the answer to the one before is on its way."""
    calls, _ = started(peer, 2)
    assert peer.begin(peer.read())
    calls[0].fail(TimeoutError())
    peer.line.expire(calls[0])
    assert not peer.killed


def test_calls_of_some_time_are_not_taken_back_from_a_worker_that_makes_them_in_time(peer):
    """Else two workers would take each other's calls again and again."""
    peer.line._seconds = 0.05
    calls, _ = started(peer, 4)
    assert len(peer.waiting) == 3
    (at_other,) = peer.take(1)
    assert at_other is calls[3]
    assert peer.waiting.held_up(1) is None
    peer.line._seconds = 0.0001
