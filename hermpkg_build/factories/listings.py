"""Lists folders in a chosen order, for a process that tries whether the order matters."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterator
from typing import Any, final

from hermpkg_build.core.closing import Closing
from hermpkg_build.core.conditions import Listing


def order_listings(order: Listing) -> None:
    """Let ``os.listdir`` and ``os.scandir``, and all that is made of them, list by name or backwards.

    File systems give entries in an order of their own that an application cannot choose, so it is
    chosen here. This cannot be undone: it is for a process with one task.
    """
    if order == "as-is":
        return
    backwards = order == "reversed"
    listdir, scandir = os.listdir, os.scandir

    def ordered_listdir(path: Any = ".") -> list[Any]:
        return sorted(listdir(path), reverse=backwards)

    def ordered_scandir(path: Any = ".") -> _Entries:
        with scandir(path) as entries:
            return _Entries(sorted(entries, key=lambda entry: entry.name, reverse=backwards))

    replaced = {"listdir": ordered_listdir, "scandir": ordered_scandir}
    # Python 3.10 keeps references of its own in pathlib.
    accessor = getattr(pathlib, "_normal_accessor", None)
    for name, function in replaced.items():
        setattr(os, name, function)
        if accessor is not None:
            setattr(accessor, name, function)


@final
class _Entries(Closing):
    """The result of ``os.scandir``: an iterator that is a context manager too."""

    def __init__(self, entries: list[os.DirEntry[Any]]) -> None:
        self._entries = iter(entries)

    def __iter__(self) -> Iterator[os.DirEntry[Any]]:
        return self

    def __next__(self) -> os.DirEntry[Any]:
        return next(self._entries)

    def close(self) -> None:
        """Nothing is held open."""
