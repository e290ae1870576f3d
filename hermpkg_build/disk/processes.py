"""The end of child processes: what ended them, and how to end those that lead a group of their own."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

_DYING_S = 5.0
"""How long those who are killed may take to go: a busy machine has no time for them."""

_POLL_S = 0.002


def signal_name(number: int) -> str:
    """The name of a signal; that of one for real time, which has none, is its number."""
    return signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """End the child and whatever it started, whether or not it wants to, and wait for all of it.

    Who is killed can write a file a moment longer, into a folder that the caller goes on to remove.
    """
    # Where every process of the group has ended there is none to kill.
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    end = time.monotonic() + _DYING_S
    while _lives(process.pid) and time.monotonic() < end:
        time.sleep(_POLL_S)


def _lives(group: int) -> bool:
    """Whether a process of a group has not ended yet. One that nobody has collected has."""
    try:
        os.killpg(group, 0)
        processes = [name for name in os.listdir("/proc") if name.isdigit()]
    except (ProcessLookupError, PermissionError):
        return False
    except FileNotFoundError:
        # Without /proc all that is known is that somebody is left.
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
