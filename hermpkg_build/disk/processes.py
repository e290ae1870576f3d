"""Child processes that lead a group of their own: they end as a whole, with what they started."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Protocol

_DYING_S = 5.0
"""How long killed processes may take to end on a busy machine."""

_POLL_S = 0.002


_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
"""From <linux/prctl.h>."""


@contextmanager
def lifeline() -> Iterator[int]:
    """A descriptor for a child to inherit: its other end closes when this process dies, however it does."""
    theirs, ours = os.pipe()
    try:
        yield theirs
    finally:
        os.close(ours)
        os.close(theirs)


def end_with_parent(parent: int, line: int) -> None:
    """End this process, which leads a group, and all of the group when its parent, process `parent`, dies.

    `line` is the parent's `lifeline`. The kernel of Linux ends this process at once; elsewhere, and for the
    rest of the group, a process in it does that waits for nothing else. Where the parent is dead already, end
    now.
    """
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no groups of processes")
    end_with(parent)
    # It is nobody's child here: whoever waits for any child must not wait for it.
    if child := os.fork():
        os.waitpid(child, 0)
        os.close(line)
    elif os.fork():
        os._exit(0)
    else:
        os.read(line, 1)
        os.killpg(0, signal.SIGKILL)


def end_with(parent: int) -> None:
    """End this process, without its group, when its parent, process `parent`, dies.

    That is for a parent that starts processes in its main thread only. Elsewhere than on Linux this process
    ends now, where the parent is dead already, and not later.
    """
    _tell_linux(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def adopt_orphans() -> None:
    """Become the parent of what children of this process start and leave behind; on Linux only."""
    _tell_linux(_PR_SET_CHILD_SUBREAPER, 1)


def end_children() -> None:
    """End all children of this process, and those that it is left with then; on Linux only."""
    others: set[int] = set()
    while children := set(_children()) - others:
        others |= {child for child in children if not _end_child(child)}


def _end_child(child: int) -> bool:
    """End a child, and wait for that; False where it is another user's."""
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except PermissionError:
        return False
    except (ProcessLookupError, ChildProcessError):
        pass
    return True


def _children() -> list[int]:
    found: list[int] = []
    with suppress(OSError):
        for task in os.listdir("/proc/self/task"):
            with open(f"/proc/self/task/{task}/children") as file:
                found += map(int, file.read().split())
    return found


def _tell_linux(option: int, value: int) -> None:
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(option, value)


class GroupLeader(Protocol):
    """A process that leads a group of its own, such as a `subprocess.Popen` that started a session."""

    @property
    def pid(self) -> int:
        """The number of the process and of its group."""
        ...

    def wait(self) -> int:
        """Wait for its end; return how it ended."""
        ...


class Children:
    """The child processes of a task, or of a part of the `whole`, each the leader of a group of its own."""

    def __init__(self, whole: Children | None = None) -> None:
        self._whole = whole
        self._processes: set[GroupLeader] = set()
        self._cancelled = False
        self._lock = threading.Lock()

    def part(self) -> Children:
        """Return the children of a part of the task, which can be cancelled alone."""
        return Children(self)

    @contextmanager
    def owned(self, process: GroupLeader) -> Iterator[None]:
        """A context at whose end nothing is left of a process and its group; `cancel` ends them sooner."""
        if self._whole is None:
            with self._held(process):
                yield
        else:
            with self._whole.owned(process), self._held(process):
                yield

    @contextmanager
    def _held(self, process: GroupLeader) -> Iterator[None]:
        try:
            with self._lock:
                self._processes.add(process)
            if self._cancelled:
                kill_group(process)
            yield
        finally:
            kill_group(process)
            with self._lock:
                self._processes.discard(process)

    def cancel(self) -> None:
        """Kill all of them, and every one that comes later."""
        with self._lock:
            self._cancelled = True
            processes = list(self._processes)
        for process in processes:
            kill_group(process)

    def is_cancelled(self) -> bool:
        """Whether `cancel` was called, of these or of the whole."""
        return self._cancelled or (self._whole is not None and self._whole.is_cancelled())


def kill_group(process: GroupLeader) -> None:
    """Kill a child and all of its group, and wait for their end.

    A killed process can write a file a moment longer, into a folder that the caller goes on to remove.
    """
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no groups of processes")
    # A group whose processes have all ended is not there any more.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + _DYING_S
    while _lives(process.pid) and time.monotonic() < end:
        time.sleep(_POLL_S)


def _lives(group: int) -> bool:
    """Whether a process of a group still runs; one that has ended and was not waited for does not."""
    if sys.platform == "win32":
        raise NotImplementedError("Windows has no groups of processes")
    try:
        os.killpg(group, 0)
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except (ProcessLookupError, PermissionError):
        return False
    except FileNotFoundError:
        # Without /proc nothing tells a process that runs from one that has ended.
        return True
    return any(_runs_in(group, process) for process in processes)


def _runs_in(group: int, process: str) -> bool:
    try:
        with open(f"/proc/{process}/stat", "rb") as file:
            # The name, in brackets, can hold anything; then come state, parent and group.
            state, _, own_group = file.read().rpartition(b")")[2].split()[:3]
    except OSError:
        return False
    return int(own_group) == group and state not in b"ZX"
