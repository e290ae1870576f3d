"""Connections that clients keep only while they go on: heads come whole in time, and answers are taken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

MOST_HEAD = 64 << 10
"""A head of more bytes is refused, as soon as it is seen that it is not whole."""


class _Timer:
    """Calls something in a while, unless it is ended before."""

    def __init__(self) -> None:
        self._handle: asyncio.TimerHandle | None = None

    @property
    def is_running(self) -> bool:
        return self._handle is not None

    def start(self, loop: asyncio.AbstractEventLoop, seconds: float, call: Callable[[], None]) -> None:
        """Start it anew."""
        self.end()
        self._handle = loop.call_later(seconds, call)

    def end(self) -> None:
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None


def bounded(protocol: Any, seconds: float) -> Any:
    """Return a protocol class of uvicorn whose connections end where a client does not go on.

    `seconds` is the time from the connection, or from the first byte after a response, to the end of the head
    of a request, and that in which some of a response is taken. Uvicorn itself ends only connections on
    which nothing follows a response, and keeps what nobody takes; what parses heads for it may keep all that
    comes.
    """

    class Connection(protocol):  # type: ignore[misc]
        _in_head = False
        _head = 0

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._too_late, self._not_taken = _Timer(), _Timer()
            self._look()

        def data_received(self, data: bytes) -> None:
            was_in_head = self._in_head
            super().data_received(data)
            self._head = self._head + len(data) if was_in_head and self._in_head else 0
            if self._head > MOST_HEAD:
                self._refuse_head()
            self._look()

        def on_message_begin(self) -> None:
            super().on_message_begin()
            self._in_head = True

        def on_headers_complete(self) -> None:
            super().on_headers_complete()
            self._in_head = False

        def pause_writing(self) -> None:
            super().pause_writing()
            self._await_taking()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._not_taken.end()

        def connection_lost(self, error: Exception | None) -> None:
            self._too_late.end()
            self._not_taken.end()
            super().connection_lost(error)

        def _look(self) -> None:
            if self._answers():
                self._too_late.end()
            elif not self._too_late.is_running:
                self._too_late.start(self.loop, seconds, self.transport.close)

        def _answers(self) -> bool:
            return self.cycle is not None and not self.cycle.response_complete

        def _refuse_head(self) -> None:
            if self._answers():
                self.transport.close()
            else:
                self.send_400_response("The head of the request is too long.")

        def _await_taking(self) -> None:
            left = self.transport.get_write_buffer_size()

            def look() -> None:
                if self.transport.get_write_buffer_size() < left:
                    self._await_taking()
                else:
                    self.transport.abort()

            self._not_taken.start(self.loop, seconds, look)

    return Connection
