"""Connections whose requests begin in time: a client that sends a head bit by bit keeps none for long."""

from __future__ import annotations

import asyncio
from typing import Any


def with_time_for_heads(protocol: Any, seconds: float) -> Any:
    """Return a protocol class of uvicorn that closes connections on which the head of a request is not whole.

    `seconds` is the time from the connection, or from the first byte after a response, to the end of a head.
    Uvicorn itself ends only connections on which nothing follows a response.
    """

    class Connection(protocol):  # type: ignore[misc]
        _too_late: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:
            super().connection_made(transport)
            self._look()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._look()

        def connection_lost(self, error: Exception | None) -> None:
            self._end_timer()
            super().connection_lost(error)

        def _look(self) -> None:
            if self.cycle is not None and not self.cycle.response_complete:
                self._end_timer()
            elif self._too_late is None:
                self._too_late = self.loop.call_later(seconds, self.transport.close)

        def _end_timer(self) -> None:
            if self._too_late is not None:
                self._too_late.cancel()
                self._too_late = None

    return Connection
