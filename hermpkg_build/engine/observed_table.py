"""What a build has seen of many paths, in columns. Builds begin here, so that next to nothing is imported."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping

from hermpkg_build.disk.signatures import FileSignature

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Sequence
    from typing import Literal, TypeAlias

    Observed: TypeAlias = tuple[str, "FileSignature | None"]

_HASH = 32
ROW = _HASH + 5 * 8
"""Bytes of a row: the hash, and the numbers of the signature."""
_FORMATS: tuple[Literal["q", "Q"], ...] = ("q", "q", "q", "Q", "Q")
_NEVER = (-1, 0, 0, 0, 0)
"""Stands for no signature: no file has a size below zero."""

_MANY = 20_000
"""From so many paths on, further processes help to look at them."""


class ObservedTable(MutableMapping[str, "Observed"]):
    """Absolute paths with the hash of what they hold and the signature that vouches for it, if any.

    A hundred thousand of them are two large objects rather than a million small ones. Hashes are SHA-256, in
    hexadecimal. Values of other forms raise ValueError.
    """

    __slots__ = ("_columns", "_hashes", "_places", "_rows", "paths")

    def __init__(self, paths: list[str], rows: bytearray) -> None:
        if len(rows) != ROW * len(paths):
            raise ValueError("another number of rows than of paths")
        self.paths: list[str] = paths
        self._rows = rows
        self._places: dict[str, int] = {}
        view = memoryview(rows)
        count = len(paths)
        edges = [count * (_HASH + 8 * number) for number in range(6)]
        self._hashes = view[: edges[0]]
        self._columns: list[memoryview] = [
            view[start:end].cast(form) for start, end, form in zip(edges, edges[1:], _FORMATS, strict=False)
        ]

    @classmethod
    def of(cls, entries: Mapping[str, Observed]) -> ObservedTable:
        """Return a table with the same entries."""
        if isinstance(entries, ObservedTable):
            return entries
        table = cls([*entries], bytearray(ROW * len(entries)))
        for at, entry in enumerate(entries.values()):
            table._put(at, entry)
        return table

    def rows(self) -> bytes | bytearray:
        """Return hashes and signatures, one column after the other; with the paths they make the table."""
        return self._rows

    def changed(self) -> list[str]:
        """Return the paths that have another signature now, or never had one that vouches for them."""
        if len(self.paths) >= _MANY:
            from hermpkg_build.disk.signature_check import UNKNOWN, SignatureCheck

            marks = [hash(row) if row[0] >= 0 else UNKNOWN for row in self._signatures()]
            return SignatureCheck(self.paths, marks).differing()
        stat, found = os.stat, []
        for path, row in zip(self.paths, self._signatures(), strict=True):
            try:
                now = stat(path)
                if (now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino, now.st_dev) != row:
                    found.append(path)
            except (OSError, ValueError):  # noqa: PERF203
                found.append(path)
        return found

    def with_changes(self, new: Mapping[str, Observed], without: Collection[str]) -> ObservedTable:
        """Return a table with `new` entries and `without` some others; those that stay keep their order."""
        gone = {self.place(path) for path in without if path in self and path not in new}
        kept = [at for at in range(len(self.paths)) if at not in gone] if gone else range(len(self.paths))
        added = [path for path in new if path not in self]
        table = self.only(kept, added)
        for path, entry in new.items():
            table._put(table.place(path), entry)
        return table

    def only(self, kept: Sequence[int], added: Sequence[str] = ()) -> ObservedTable:
        """Return a table of the paths with these numbers, in this order, and room for `added` ones."""
        paths = [*map(self.paths.__getitem__, kept), *added]
        table = ObservedTable(paths, bytearray(ROW * len(paths)))
        for mine, its in zip(self._columns, table._columns, strict=True):
            for start, stop, to in _runs(kept):
                its[to : to + stop - start] = mine[start:stop]
        for start, stop, to in _runs(kept):
            table._hashes[_HASH * to : _HASH * (to + stop - start)] = self._hashes[
                _HASH * start : _HASH * stop
            ]
        return table

    def place(self, path: str) -> int:
        """Return the number of a path. Raises KeyError."""
        if path not in self:
            raise KeyError(path)
        return self._places[path]

    def __contains__(self, path: object) -> bool:
        if not self._places and self.paths:
            self._places = {path: at for at, path in enumerate(self.paths)}
        return path in self._places

    def __getitem__(self, path: str) -> Observed:
        at = self.place(path)
        size, mtime, ctime, inode, device = [column[at] for column in self._columns]
        signature = (size, mtime, ctime, inode, device)
        return self._hashes[_HASH * at : _HASH * (at + 1)].hex(), signature if size >= 0 else None

    def __setitem__(self, path: str, entry: Observed) -> None:
        self._put(self.place(path), entry)

    def __delitem__(self, path: str) -> None:
        raise TypeError("tables do not shrink")

    def __iter__(self) -> Iterator[str]:
        return iter(self.paths)

    def __len__(self) -> int:
        return len(self.paths)

    def _signatures(self) -> Iterator[tuple[int, ...]]:
        return zip(*[column.tolist() for column in self._columns], strict=True)

    def _put(self, at: int, entry: Observed) -> None:
        hash_, signature = entry
        digest = bytes.fromhex(hash_)
        if len(digest) != _HASH:
            raise ValueError(f"not a SHA-256: {hash_!r}")
        self._hashes[_HASH * at : _HASH * (at + 1)] = digest
        try:
            for column, value in zip(self._columns, signature or _NEVER, strict=True):
                column[at] = value
        except (
            ValueError,
            OverflowError,
        ):  # No number of 64 bits, as some file systems of Windows have them.
            for column, value in zip(self._columns, _NEVER, strict=True):
                column[at] = value


def _runs(numbers: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Give the runs of consecutive `numbers`: where each starts and stops, and how many come before it."""
    if isinstance(numbers, range):
        yield numbers.start, numbers.stop, 0
        return
    start = 0
    for at in range(1, len(numbers) + 1):
        if at == len(numbers) or numbers[at] != numbers[at - 1] + 1:
            yield numbers[start], numbers[at - 1] + 1, start
            start = at
