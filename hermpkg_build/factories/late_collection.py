"""Lets the garbage collector leave alone what importing a library makes, which stays."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collecting_late() -> Iterator[None]:
    """A context in which many objects are made that stay: a collection would only walk over them.

    At the end they are as old as after many collections, unless code keeps objects out of these itself.
    """
    before = gc.get_threshold()
    late = 1_000_000_000, *before[1:]
    gc.set_threshold(*late)
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            gc.freeze()
            gc.unfreeze()
        if gc.get_threshold() == late:
            gc.set_threshold(*before)
