"""The end of child processes: what ended them, and how to end those that lead a group of their own."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess

_DYING_S = 2.0
"""How long the killed may take to go. Where nobody collects orphans, as in a container without an init, they
never do."""

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
    with suppress(ProcessLookupError, PermissionError):
        while time.monotonic() < end:
            os.killpg(process.pid, 0)
            time.sleep(_POLL_S)
