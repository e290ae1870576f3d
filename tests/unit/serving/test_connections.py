"""Slow clients take room for what they have sent, and a connection only for as long as they go on."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.serving.http.bodies import Room, read_body
from hermpkg_build.serving.http.connections import MOST_HEAD, bounded
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
    connection = bounded(Protocol, 20)()
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


PROTOCOLS = ["httptools_impl.HttpToolsProtocol", "h11_impl.H11Protocol"]
LARGE = 32 << 20


async def app(scope: Any, receive: Any, send: Any) -> None:
    size = int(scope["path"][1:])
    headers = [(b"content-length", str(size).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": bytes(size)})


Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def connected(protocol: str, seconds: float) -> AsyncIterator[Ends]:
    uvicorn = pytest.importorskip("uvicorn")
    module, _, name = protocol.partition(".")
    if module.startswith("httptools"):
        pytest.importorskip("httptools")
    config = uvicorn.Config(app, lifespan="off", log_config=None)
    config.load()
    state = uvicorn.server.ServerState()
    kind = bounded(getattr(importlib.import_module(f"uvicorn.protocols.http.{module}"), name), seconds)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: kind(config=config, server_state=state, app_state={}), "127.0.0.1", 0
    )
    try:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname()[:2], limit=1 << 14)
        yield reader, writer
        writer.close()
    finally:
        server.close()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "begin", [b"GET /", b"GET /1 HTTP/1.1\r\na: ", b"GET /1 HTTP/1.1\r\n" + b"a: b\r\n" * 9]
)
def test_a_head_without_end_is_refused_however_it_begins(protocol: str, begin: bytes) -> None:
    async def main() -> None:
        async with connected(protocol, 600) as (reader, writer):
            writer.write(begin)
            sent = 0
            try:
                while not reader.at_eof() and sent < 64 * MOST_HEAD:
                    writer.write(b"x" * MOST_HEAD)
                    sent += MOST_HEAD
                    await writer.drain()
                    await asyncio.sleep(0.01)
                assert sent < 64 * MOST_HEAD
                assert (await reader.read(12)) in (b"HTTP/1.1 400", b"")
            except ConnectionError:
                pass

    asyncio.run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_heads_that_are_long_and_whole_are_read(protocol: str) -> None:
    async def main() -> None:
        async with connected(protocol, 600) as (reader, writer):
            for _ in range(3):
                for part in (b"GET /3 HTTP/1.1\r\nhost: x\r\na: ", b"x" * (MOST_HEAD // 8), b"\r\n\r\n"):
                    writer.write(part)
                    await writer.drain()
                    await asyncio.sleep(0.01)
                assert (await reader.readuntil(bytes(3))).startswith(b"HTTP/1.1 200")

    asyncio.run(main())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("reads", [True, False])
def test_a_response_ends_where_nobody_takes_it(protocol: str, reads: bool) -> None:
    async def main() -> None:
        async with connected(protocol, 0.5) as (reader, writer):
            writer.write(b"GET /%d HTTP/1.1\r\nhost: x\r\n\r\n" % LARGE)
            await writer.drain()
            taken = 0
            await asyncio.sleep(0.0 if reads else 2.0)
            try:
                while taken < LARGE and (part := await reader.read(1 << 20)):
                    taken += len(part)
                    # For longer than may pass without any of it being taken, as a whole.
                    await asyncio.sleep(0.001)
            except ConnectionError:
                pass
            assert (taken >= LARGE) == reads

    asyncio.run(main())


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
