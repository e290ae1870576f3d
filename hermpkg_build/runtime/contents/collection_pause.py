"""Holds the garbage collector off while many objects are made that all stay."""

from __future__ import annotations

import gc
import threading


class _CollectionPause:
    """Automatic collections stay off from the first entry to the last exit, whichever thread makes them."""

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


# A load makes objects by the hundred thousand and drops none, so that each collection in its course
# walks over all of them, and over everything the process holds, for nothing. There is one collector
# in a process, hence one pause.
paused_collection = _CollectionPause()
