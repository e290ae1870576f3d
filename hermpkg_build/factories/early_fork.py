"""Has a warm process fork before it is known for which factory, while what a build takes is still imported.

A process that is forked is told what it is to do when that is known; until then it waits, and does nothing
of a factory's. One that is told nothing ends with this process, or with the connection. When all is done, it
says so, for its end takes a while: what it had in memory is a lot.
"""

from __future__ import annotations

import json
import os
import select
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
            self._words, words = socket.socketpair()
            self._stack.callback(self._words.close)
            with words:
                send(connection, {}, (line, words.fileno()))
        except BaseException:
            self.close()
            raise

    def tell(self, words: dict[str, Any]) -> None:
        """Say what it is to do; once. Raises OSError."""
        self._words.sendall(json.dumps(words).encode() + b"\n")

    def is_done(self) -> bool:
        """Wait until it has done what it was told; False where it has ended before."""
        ready = select.select([self._words, self.connection], [], [])[0]
        try:
            return self._words in ready and self._words.recv(1) == _DONE
        except OSError:  # It has ended before it heard anything.
            return False

    def close(self) -> None:
        """Let go of it: it ends, where it still runs."""
        self._stack.close()


_DONE = b"\n"

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


class Told:
    """What `Fork.tell` says, in the forked process, whose end of that lies at the descriptor `words`."""

    def __init__(self, words: int) -> None:
        """Wait for it. Raises ValueError where nothing is said."""
        self._status, self._descriptor = os.fstat(words), words
        with open(words, "rb", closefd=False) as file:
            self.words: dict[str, Any] = dict(json.loads(file.readline()))

    def say_done(self) -> None:
        """Say that it is done, unless a factory has closed all descriptors, and that is another one now."""
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._descriptor), self._status):
                os.write(self._descriptor, _DONE)
