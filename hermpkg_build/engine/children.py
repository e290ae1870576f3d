"""The child processes of a build, which end with it."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from hermpkg_build.disk.processes import kill_group


class Children:
    """Child processes, each of which leads a group of its own."""

    def __init__(self) -> None:
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._cancelled = False
        self._lock = threading.Lock()

    @contextmanager
    def owned(self, process: subprocess.Popen[bytes]) -> Iterator[None]:
        """Own a process for a while; nothing of its group is left at the end."""
        with self._lock:
            self._processes.add(process)
        try:
            yield
        finally:
            kill_group(process)
            with self._lock:
                self._processes.discard(process)

    def cancel(self) -> None:
        """Kill all of them, and make those who ask `is_cancelled` end soon."""
        self._cancelled = True
        with self._lock:
            processes = list(self._processes)
        for process in processes:
            kill_group(process)

    def is_cancelled(self) -> bool:
        """Whether the build was told to stop."""
        return self._cancelled
