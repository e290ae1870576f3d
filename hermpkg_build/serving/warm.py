"""Starts the warm process, which pools of one process share where they ask for the same."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping

from hermpkg_build.core.closing import Closing
from hermpkg_build.dataclass import dataclass
from hermpkg_build.serving.channel import Channel, channel_pair

_START = (
    "import sys; sys.path[:] = {path!r};"
    " from hermpkg_build.serving.inside.warm import main; main({descriptor}, {preload!r})"
)
_DYING_S = 10.0

_channels: weakref.WeakSet[Channel] = weakref.WeakSet()
"""All channels of this process to others: a fork of it does not keep them open."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a warm process starts with; two pools with equal ones share it."""

    path: tuple[str, ...]
    folder: str
    environment: tuple[tuple[str, str], ...]
    preload: tuple[str, ...]


def surroundings(preload: tuple[str, ...], variables: Mapping[str, str]) -> Surroundings:
    """Return those of this process, with `variables` of the environment where it has not got these."""
    environment = {**variables, **os.environ}
    return Surroundings(
        path=tuple(sys.path),
        folder=os.getcwd(),
        environment=tuple(sorted(environment.items())),
        preload=preload,
    )


class WarmProcess(Closing):
    """A fresh interpreter that imports the modules to preload, and forks openers."""

    def __init__(self, around: Surroundings) -> None:
        self.users = 0
        self._channel, theirs = channel_pair()
        keep(self._channel)
        code = _START.format(path=list(around.path), descriptor=theirs.fileno(), preload=around.preload)
        flags: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        try:
            self._process = subprocess.Popen(
                [sys.executable, *flags, "-c", code],
                cwd=around.folder,
                env=dict(around.environment),
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
            )
        except BaseException:
            self._channel.close()
            raise
        finally:
            theirs.close()
        self._lock = threading.Lock()

    def fork_opener(self, request: bytes) -> Channel:
        """Start a process that is given `request`; return the channel to it. Raises EndOfChannel."""
        ours, theirs = channel_pair()
        keep(ours)
        try:
            with self._lock:
                self._channel.send([request], [theirs.fileno()])
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return ours

    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def close(self) -> None:
        """End the process, and wait for that."""
        self._channel.close()
        try:
            self._process.wait(_DYING_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class _Registry:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.running: dict[Surroundings, WarmProcess] = {}

    def forget(self) -> None:
        """In a fork of this process: its children are not the fork's."""
        self.__init__()  # type: ignore[misc]
        for channel in list(_channels):
            channel.close()


_registry = _Registry()


def borrow(around: Surroundings) -> WarmProcess:
    """Return the warm process with these surroundings, started if there is none; `give_back` it once."""
    with _registry.lock:
        warm = _registry.running.get(around)
        if warm is None or not warm.is_running():
            warm = _registry.running[around] = WarmProcess(around)
        warm.users += 1
        return warm


def give_back(warm: WarmProcess) -> None:
    """End a warm process that nobody uses any more."""
    with _registry.lock:
        warm.users -= 1
        if warm.users:
            return
        for around, running in list(_registry.running.items()):
            if running is warm:
                del _registry.running[around]
    warm.close()


def keep(channel: Channel) -> None:
    """Let forks of this process close `channel`, so that its other side notices the end of this process."""
    _channels.add(channel)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_registry.forget)
