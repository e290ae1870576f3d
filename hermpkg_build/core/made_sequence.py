"""Sequences whose items are made when somebody asks for them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeVar, overload

T = TypeVar("T")


class MadeSequence(Sequence[T]):
    """A sequence equal to the tuple of its items, of which each is made anew whenever it is asked for.

    Of a hundred thousand items that nobody asks for, only what they are made of takes time and memory.
    """

    __slots__ = ()

    @abstractmethod
    def made(self, at: int) -> T:
        """Make the item at a place that there is."""

    @overload
    def __getitem__(self, at: int) -> T: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[T]: ...
    def __getitem__(self, at: int | slice) -> T | Sequence[T]:
        places = range(len(self))[at]
        return self.made(places) if isinstance(places, int) else [*map(self.made, places)]

    def __iter__(self) -> Iterator[T]:
        return map(self.made, range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, tuple | MadeSequence):
            return NotImplemented
        return len(self) == len(other) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))
