"""Pauses the garbage collector while a pickle makes many objects, all of which stay."""

from __future__ import annotations

import gc
import threading
from collections.abc import Callable


class WhileAny:
    """Calls `begin` at the first entry, and what that returns at the last exit, of any threads."""

    def __init__(self, begin: Callable[[], Callable[[], object]]) -> None:
        self._begin = begin
        self._lock = threading.Lock()
        self._entries = 0

    def __enter__(self) -> None:
        with self._lock:
            if not self._entries:
                self._end = self._begin()
            self._entries += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._entries -= 1
            if not self._entries:
                self._end()


def _pause() -> Callable[[], object]:
    end = gc.enable if gc.isenabled() else gc.disable
    gc.disable()
    return end


# A load makes hundreds of thousands of objects and drops none: each collection during it would walk
# over all of them, and over everything else in the process, and free nothing. A process has one
# collector, hence one pause.
paused_collection: WhileAny = WhileAny(_pause)
