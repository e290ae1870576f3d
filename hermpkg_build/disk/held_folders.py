"""Tells which folders processes hold, for those that clean up."""

from __future__ import annotations

import os
from contextlib import suppress

from hermpkg_build.disk.replacing import HELD, locked


def held_since(place: str) -> list[float]:
    """Return when the folders of `new_folder` in `place` were made that processes still hold (Unix time)."""
    times = []
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.name.startswith(HELD) and entry.is_dir(follow_symlinks=False):
                    made = entry.stat(follow_symlinks=False).st_mtime
                    with locked(entry.path) as nobody_holds_it:
                        if not nobody_holds_it:
                            times.append(made)
    return times


def is_held(path: str) -> bool:
    """Whether a process has a lock on a folder, so that `discard_folder` would leave it."""
    with suppress(OSError), locked(path) as nobody_holds_it:
        return not nobody_holds_it
    return False
