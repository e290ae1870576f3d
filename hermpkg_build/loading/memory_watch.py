"""Ends a process that takes too much memory, where the system does not bound it.

Linux refuses a process addresses beyond its bound. macOS does not, and a single step of the interpreter can
ask for any number of bytes: there this process looks from outside.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import subprocess

_EVERY_S: Final = 0.02

_LIBRARY: Final = "/usr/lib/libproc.dylib"
_BYTES_OF_USAGE: Final = 96
_FOOTPRINT: Final = 16 + 7 * 8
"""Where ``rusage_info_v0`` of macOS has the memory that counts as the process's own."""


def is_bounded_by_system() -> bool:
    """Whether the system bounds the addresses of processes: where it does not tell them, it does not."""
    return os.path.exists("/proc/self/statm")


def watch(process: subprocess.Popen[bytes], most: int) -> None:
    """Kill `process` as soon as it has more than `most` bytes, looking from a thread until it has ended."""
    threading.Thread(target=_look, args=(process, most), name="memory watch", daemon=True).start()


def _look(process: subprocess.Popen[bytes], most: int) -> None:
    while process.poll() is None:
        if memory_of(process.pid) > most:
            process.kill()
            return
        time.sleep(_EVERY_S)


def memory_of(pid: int) -> int:
    """Return the bytes of memory of a process; 0 where the system does not tell."""
    if sys.platform == "darwin":
        return _memory_on_macos(pid)
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def _memory_on_macos(pid: int) -> int:
    usage = ctypes.create_string_buffer(_BYTES_OF_USAGE)
    try:
        failed = ctypes.CDLL(_LIBRARY).proc_pid_rusage(pid, 0, ctypes.byref(usage))
    except (OSError, AttributeError):
        return 0
    return 0 if failed else int.from_bytes(usage.raw[_FOOTPRINT : _FOOTPRINT + 8], sys.byteorder)
