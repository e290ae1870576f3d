"""A message with a ticket is either begun or taken back, in whatever order both sides look."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.serving.channel import SharedMemory
from hermpkg_build.serving.progress import progress_of
from hermpkg_build.serving.tickets import Tickets, TicketsInside


@given(st.lists(st.sampled_from(["ticket", "none", "unsent", "take back", "begin"]), max_size=40))
def test_each_message_is_begun_or_taken_back(steps):
    with Tickets() as tickets:
        progress = progress_of(SharedMemory(1).descriptor)
        inside = TicketsInside(tickets.descriptor, progress)
        number = 0
        messages: list[tuple[int, bool]] = []
        begun: set[int] = set()
        back: set[int] = set()
        unsent: set[int] = set()

        def begin() -> None:
            message, has_ticket = messages.pop(0)
            if not has_ticket or inside.get(message):
                begun.add(message)

        for step in steps:
            if step == "take back":
                back |= tickets.take_back()
                progress.take_back(number)
            elif step == "begin":
                if messages:
                    begin()
            else:
                number += 1
                if step != "none":
                    tickets.issue(number)
                if step == "unsent":
                    unsent.add(number)
                else:
                    messages.append((number, step == "ticket"))
        while messages:
            begin()
        back |= tickets.take_back()
    assert not begun & back
    assert begun | (back - unsent) == set(range(1, number + 1)) - unsent


def test_two_at_once_never_get_the_same_ticket():
    with Tickets() as tickets:
        inside = TicketsInside(tickets.descriptor, progress_of(SharedMemory(1).descriptor))
        back: set[int] = set()
        stopped = threading.Event()

        def take_back() -> None:
            while not stopped.is_set():
                back.update(tickets.take_back())

        thread = threading.Thread(target=take_back)
        thread.start()
        begun = set()
        for message in range(1, 2001):
            tickets.issue(message)
            if inside.get(message):
                begun.add(message)
        stopped.set()
        thread.join()
        back |= tickets.take_back()
    assert not begun & back
    assert begun | back == set(range(1, 2001))
