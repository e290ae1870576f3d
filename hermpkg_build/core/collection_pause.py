"""Pauses the garbage collector while a pickle makes many objects, all of which stay."""

from __future__ import annotations

import gc
import threading


class _CollectionPause:
    """Switches automatic collections off from the first entry to the last exit, of any threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries = 0
        self._was_enabled = False

    def __enter__(self) -> None:
        with self._lock:
            if not self._entries:
                self._was_enabled = gc.isenabled()
                gc.disable()
            self._entries += 1

    def __exit__(self, *exception: object) -> None:
        with self._lock:
            self._entries -= 1
            if not self._entries and self._was_enabled:
                gc.enable()


# A load makes hundreds of thousands of objects and drops none: each collection during it would walk
# over all of them, and over everything else in the process, and free nothing. A process has one
# collector, hence one pause.
paused_collection: _CollectionPause = _CollectionPause()
