"""Views of records that are made before they are asked for: many at once take a fraction of the time."""

from __future__ import annotations

from time import monotonic
from typing import final

from hermpkg_build.archive.archive_file import ArchiveBytes
from hermpkg_build.archive.layout import storage_number, storage_record_name

_MOST = 256
_FRESH_S = 0.01
"""How long the file is not looked at again: what is written over later shows in a mapped view anyway."""


@final
class ViewsAhead:
    """Views of a mapped `file`, each of which is given once: most pickles have their storages in turn."""

    def __init__(self, file: ArchiveBytes) -> None:
        self._file = file
        self._numbers = range(0)
        self._views: dict[str, memoryview | None] = {}
        self._until = 0.0

    def names_from(self, name: str) -> list[str]:
        """Give the name of a record, and of ever more storages behind it where it comes in turn."""
        number = storage_number(name)
        if number is None:
            return [name]
        in_turn = number - 1 in self._numbers
        count = min(2 * len(self._numbers), _MOST) if in_turn else 1
        self._numbers = range(number, number + count)
        return [*map(storage_record_name, self._numbers)]

    def keep(self, views: dict[str, memoryview | None]) -> None:
        """Keep these views, in place of all others."""
        self._views, self._until = views, monotonic() + _FRESH_S

    def take(self, name: str) -> memoryview | None:
        """Give a view; None where there is none, or the file was written over since it was opened."""
        view = self._views.pop(name, None)
        if view is not None and monotonic() > self._until:
            if self._file.was_written_over():
                return None
            self._until = monotonic() + _FRESH_S
        return view
