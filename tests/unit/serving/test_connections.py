"""Slow clients take room for what they have sent, and a connection only for as long as a head may take."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.serving.http.bodies import Room, read_body
from hermpkg_build.serving.http.connections import with_time_for_heads
from hermpkg_build.serving.protocol.errors import RequestError


class Timer:
    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call
        self.is_running = True

    def cancel(self) -> None:
        self.is_running = False


class Loop:
    def __init__(self) -> None:
        self.timers: list[Timer] = []

    def call_later(self, seconds: float, call: Callable[[], None]) -> Timer:
        assert seconds == 20
        self.timers.append(Timer(call))
        return self.timers[-1]

    @property
    def running(self) -> list[Timer]:
        return [timer for timer in self.timers if timer.is_running]


class Protocol:
    """As those of uvicorn: a head is whole with its line break, a response with the word done."""

    def __init__(self) -> None:
        self.loop = Loop()
        self.cycle: Any = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if data.endswith(b"\n"):
            self.cycle = SimpleNamespace(response_complete=False)

    def connection_lost(self, error: Exception | None) -> None:
        pass


def test_a_connection_ends_unless_heads_are_whole_in_time() -> None:
    closed: list[bool] = []
    connection = with_time_for_heads(Protocol, 20)()
    loop: Loop = connection.loop
    connection.connection_made(SimpleNamespace(close=lambda: closed.append(True)))
    (first,) = loop.running
    connection.data_received(b"POST /")
    assert loop.running == [first]
    connection.data_received(b" HTTP/1.1\n")
    connection.data_received(b"a part of a body")
    assert loop.running == []
    connection.cycle.response_complete = True
    connection.data_received(b"G")
    connection.data_received(b"E")
    (second,) = loop.running
    second.call()
    assert closed == [True]
    connection.connection_lost(None)
    assert loop.running == []


@given(st.lists(st.lists(st.integers(0, 5), max_size=5), max_size=5), st.integers(0, 30))
def test_bodies_have_room_together_and_give_it_back(bodies: list[list[int]], most: int) -> None:
    room = Room(most)

    async def read(sizes: list[int]) -> int:
        parts = [b"x" * size for size in sizes] or [b""]
        left = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        left[-1]["more_body"] = False
        with room.share() as take:
            body = await read_body(lambda: _soon(left.pop(0)), {}, 100, 60.0, take)
            await asyncio.sleep(0)
            return len(body)

    async def read_all() -> list[Any]:
        return await asyncio.gather(*map(read, bodies), return_exceptions=True)

    found = asyncio.run(read_all())
    total = sum(map(sum, bodies))
    for sizes, length in zip(bodies, found, strict=True):
        assert length == sum(sizes) or (isinstance(length, RequestError) and length.status == 429)
    if total <= most:
        assert found == list(map(sum, bodies))
    with room.share() as take:
        take(most)
        with pytest.raises(RequestError):
            take(1)


async def _soon(message: dict[str, Any]) -> dict[str, Any]:
    await asyncio.sleep(0)
    return message
