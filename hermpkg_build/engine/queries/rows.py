"""Rows of numbers, as many for each of a list of things as it has, in flat arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate, pairwise
from typing import TypeAlias

from hermpkg_build.dataclass import dataclass

Row: TypeAlias = tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """The rows of thing `i` are from `offsets[i]` up to `offsets[i + 1]` in each of `columns`."""

    offsets: Sequence[int]
    columns: tuple[array[int], ...]

    @classmethod
    def none(cls, codes: str) -> Rows:
        """Return the rows of no things, whose columns hold numbers of these codes of `array`."""
        return cls(offsets=array("I", [0]), columns=tuple(array(code) for code in codes))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def of(self, number: int) -> Sequence[Row]:
        """List the rows of a thing."""
        first, end = self.offsets[number], self.offsets[number + 1]
        return list(zip(*[column[first:end] for column in self.columns], strict=True))

    def replaced(self, rows: Mapping[int, Sequence[Row]], count: int) -> Rows:
        """Return the rows of `count` things: those of `rows`, none for other new ones, the rest as before."""
        columns = tuple(array(column.typecode) for column in self.columns)
        sizes = array("I", _sizes(self.offsets))
        sizes.extend([0] * (count - len(sizes)))
        at = 0
        for number in sorted(rows):
            if number < len(self):
                self._copy(columns, at, number)
                at = number + 1
            elif at < len(self):
                self._copy(columns, at, len(self))
                at = len(self)
            sizes[number] = len(rows[number])
            for column, values in zip(columns, zip(*rows[number], strict=True), strict=False):
                column.extend(values)
        self._copy(columns, at, len(self))
        return Rows(offsets=_offsets(sizes), columns=columns)

    def _copy(self, columns: Sequence[array[int]], first: int, end: int) -> None:
        if first < end:
            for column, source in zip(columns, self.columns, strict=True):
                column.extend(source[self.offsets[first] : self.offsets[end]])

    def encode(self, name: str) -> dict[str, bytes]:
        """Return the rows as bytes, of which `decode` makes them again under the same name."""
        parts = {f"{name}{number}": column.tobytes() for number, column in enumerate(self.columns)}
        return {f"{name} offsets": array("I", self.offsets).tobytes(), **parts}

    @classmethod
    def decode(cls, name: str, codes: str, sections: Mapping[str, bytes | memoryview]) -> Rows:
        """Return the rows that `encode` gave. Raises KeyError or ValueError."""
        columns = [_array(code, sections[f"{name}{number}"]) for number, code in enumerate(codes)]
        return cls(offsets=_array("I", sections[f"{name} offsets"]), columns=tuple(columns))


def _array(code: str, data: bytes | memoryview) -> array[int]:
    found = array(code)
    found.frombytes(data)
    return found


def _sizes(offsets: Sequence[int]) -> Iterable[int]:
    return (end - first for first, end in pairwise(offsets))


def _offsets(sizes: Iterable[int]) -> array[int]:
    return array("I", accumulate(sizes, initial=0))
