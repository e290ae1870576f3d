"""Entries of listed folders that take note where code asks them for their sizes and times."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from types import GenericAlias
from typing import Any, ClassVar, final

from hermpkg_build.core.closing import Closing

Note = Callable[[str | bytes], None]


@final
class Entry:
    """Takes the place of an ``os.DirEntry``; its status is asked for where `note` is told the path."""

    __slots__ = ("_entry", "_note")
    __class_getitem__: ClassVar[Any] = classmethod(GenericAlias)

    def __init__(self, entry: os.DirEntry[Any], note: Note) -> None:
        self._entry = entry
        self._note = note

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        """The status of the entry, as it is or was when it was first asked for."""
        self._note(self._entry.path)
        return self._entry.stat(follow_symlinks=follow_symlinks)

    def __getattr__(self, name: str) -> Any:
        """All else is the entry's own."""
        return getattr(self._entry, name)

    def __fspath__(self) -> Any:
        return self._entry.path

    def __repr__(self) -> str:
        return repr(self._entry)


@final
class _Entries(Closing):
    """The result of ``os.scandir``: an iterator that is a context manager too."""

    def __init__(self, entries: Any, note: Note) -> None:
        self._entries = entries
        self._note = note

    def __iter__(self) -> Iterator[Entry]:
        return self

    def __next__(self) -> Entry:
        return Entry(next(self._entries), self._note)

    def close(self) -> None:
        """Close the folder."""
        self._entries.close()


def note_statuses_of_entries(note: Note) -> None:
    """From now on, call `note` with the path of each entry that is asked for its status. Cannot be undone."""
    scandir: Any = os.scandir

    def noting_scandir(path: Any = None) -> _Entries:
        return _Entries(scandir(path), note)

    noting_scandir.__name__ = "scandir"
    noting_scandir.__module__ = os.__name__
    os.supports_fd.add(noting_scandir)
    setattr(os, "scandir", noting_scandir)  # noqa: B010 -- the types of both differ
    setattr(os, "DirEntry", Entry)  # noqa: B010
