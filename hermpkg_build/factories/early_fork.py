"""Has a warm process fork before it is known for which factory, while what a build takes is still imported.

A process that is forked is told what it is to do when that is known; until then it waits, and does nothing
of a factory's. One that is told nothing ends with this process, or with the connection. Where a build is
likely to make what the last one made, it is told that at once, and gets ready: it runs no code of a factory
before the build has asked for exactly that. When all is done, it says so, for its end takes a while: what it
had in memory is a lot.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
from contextlib import ExitStack, suppress
from typing import Any

from hermpkg_build.core.closing import Closing
from hermpkg_build.disk.processes import kill_group, lifeline
from hermpkg_build.disk.replacing import new_folder
from hermpkg_build.factories.sockets import connected
from hermpkg_build.factories.warm_messages import peer_of, receive, send

REQUEST = "request.json"
"""The file of a process's folder in which it finds what it is to do."""

_GO = _DONE = b"\n"
_DROP_S = 5.0
"""How long a warm process may take to tell of one that nobody wants."""


class Forked:
    """A process that is the child of the warm one, as the leader of a group."""

    __slots__ = ("_connection", "pid", "returncode")

    def __init__(self, connection: socket.socket) -> None:
        """Wait until it is there. Raises OSError, ValueError and KeyError where it is not to be had."""
        answer, _ = receive(connection)
        self._connection = connection
        self.pid: int = int(answer["pid"])
        self.returncode: int | None = None

    def kill(self) -> None:
        """Kill it and its group, where it was not seen to have ended."""
        if self.returncode is None:
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """Wait for its end, as far as the warm process tells of it."""
        if self.returncode is None:
            try:
                answer, _ = receive(self._connection)
                self.returncode = int(answer["returncode"])
            except (OSError, ValueError, KeyError):
                self.returncode = -1  # It is not known.
        return self.returncode


class Fork(Closing):
    """What a warm process forks for this one: it answers on `connection`, and waits until it is told more.

    It works in `folder`, "" as long as it is told nothing.
    """

    def __init__(self, connection: socket.socket) -> None:
        """Ask for it. Raises OSError, and ValueError where the process is another user's."""
        self.connection = connection
        self.folder: str = ""
        self._request = b""
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

    def tell(self, folder: str, request: bytes) -> None:
        """Tell it what it is to do, in an empty folder; once. Raises OSError."""
        asked = {name: os.path.join(folder, name) for name in ("home", "tmp", "work", "output")}
        for name in ("home", "tmp", "work"):
            os.mkdir(asked[name])
        for path, data in ((asked["output"], b""), (os.path.join(folder, REQUEST), request)):
            with open(path, "wb") as file:  # The process can be killed before it writes.
                file.write(data)
        self.folder, self._request = folder, request
        self._words.sendall(json.dumps({**asked, "folder": folder}).encode() + b"\n")

    def tell_likely(self, place: str, request: bytes) -> None:
        """Have it get ready for what `request` says, in a new folder in `place`. Raises OSError."""
        self.tell(self._stack.enter_context(new_folder(place)), request)

    def go(self) -> None:
        """Let it begin with what it was told. Raises OSError."""
        self._words.sendall(_GO)

    def can_do(self, place: str, request: bytes) -> bool:
        """Whether it is told nothing else than `request`, in a folder in `place`."""
        return not self.folder or (os.path.dirname(self.folder), self._request) == (place, request)

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

    def drop(self) -> None:
        """End it, where nobody has asked for what it does."""
        if self.folder:
            with suppress(OSError, ValueError, KeyError):
                self.connection.settimeout(_DROP_S)
                kill_group(Forked(self.connection))
        self.close()


_early: dict[str, Fork] = {}
"""What was asked for and not taken yet, by the paths of sockets; there is one build in a process."""


def fork_early(path: str, place: str = "", request: bytes = b"") -> None:
    """Ask the process that listens at `path`, if there is one, for a fork that `take_early` gives.

    Where there is a `request` it gets ready for that, in a folder in `place`.
    """
    if path not in _early:
        with suppress(OSError, ValueError):
            connection = connected(path)
            if connection is not None:
                atexit.register(drop_early)
                fork = _early[path] = Fork(connection)
                if request:
                    fork.tell_likely(place, request)


def take_early(path: str, place: str, request: bytes) -> Fork | None:
    """Return the fork that was asked of the process at `path`, for the first whose `request` it can do."""
    fork = _early.get(path)
    return _early.pop(path, None) if fork is not None and fork.can_do(place, request) else None


def drop_early() -> None:
    """Let go of what nobody has taken."""
    while _early:
        _early.popitem()[1].drop()


class Told:
    """What `Fork.tell` says, in the forked process, whose end of that lies at the descriptor `words`."""

    def __init__(self, words: int) -> None:
        """Wait for it. Raises ValueError where nothing is said."""
        self._status, self._descriptor = os.fstat(words), words
        self._file = open(words, "rb", closefd=False)  # noqa: SIM115 -- this process ends without closing it
        self.words: dict[str, Any] = dict(json.loads(self._file.readline()))

    def wait(self) -> None:
        """Wait until it is certain that this is to be done; end this process where nobody wants it."""
        if self._file.readline() != _GO:
            os._exit(0)

    def say_done(self) -> None:
        """Say that it is done, unless a factory has closed all descriptors, and that is another one now."""
        with suppress(OSError):
            if os.path.samestat(os.fstat(self._descriptor), self._status):
                os.write(self._descriptor, _DONE)
