"""Has a warm process fork before it is known for which factory, while what a build takes is still imported.

A process that is forked is told what it is to do when that is known; until then it waits, and does nothing
of a factory's. One that is told nothing ends with this process, or with the connection.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import ExitStack, suppress
from typing import Any

from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.processes import lifeline
from hermpkg_build.factories.sockets import connected
from hermpkg_build.factories.warm_messages import peer_of, send


class Fork(Closing):
    """What a warm process forks for this one: it answers on `connection`, and waits until it is told more."""

    def __init__(self, connection: socket.socket) -> None:
        """Ask for it. Raises OSError, and ValueError where the process is another user's."""
        self.connection = connection
        self._stack = ExitStack()
        self._stack.callback(connection.close)
        try:
            if peer_of(connection) != os.geteuid():
                raise ValueError("another user's")
            line = self._stack.enter_context(lifeline())
            words, self._told = os.pipe()
            self._stack.callback(os.close, self._told)
            try:
                send(connection, {}, (line, words))
            finally:
                os.close(words)
        except BaseException:
            self.close()
            raise

    def tell(self, words: dict[str, Any]) -> None:
        """Say what it is to do; once. Raises OSError."""
        os.write(self._told, json.dumps(words).encode() + b"\n")

    def close(self) -> None:
        """Let go of it: it ends, where it still runs."""
        self._stack.close()


_early: dict[str, Fork] = {}
"""What was asked for and not taken yet, by the paths of sockets; there is one build in a process."""


def fork_early(path: str) -> None:
    """Ask the process that listens at `path`, if there is one, for a fork that `take_early` gives."""
    if path not in _early:
        with suppress(OSError, ValueError):
            connection = connected(path)
            if connection is not None:
                _early[path] = Fork(connection)


def take_early(path: str) -> Fork | None:
    """Return the fork that was asked of the process at `path`, for the first who wants it."""
    return _early.pop(path, None)


def drop_early() -> None:
    """Let go of what nobody has taken."""
    while _early:
        _early.popitem()[1].close()


def told(words: int) -> dict[str, Any]:
    """Wait, in the forked process, for what `Fork.tell` says. Raises ValueError where it says nothing."""
    with open(words, "rb") as file:
        return dict(json.loads(file.readline()))
