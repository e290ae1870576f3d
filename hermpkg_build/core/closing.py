"""A base class for objects that the end of a ``with`` block closes."""

from __future__ import annotations

from typing import TypeVar

_Self = TypeVar("_Self", bound="Closing")


class Closing:
    """A context manager that is closed at the end of its ``with`` block, by the method `close`.

    >>> class Door(Closing):
    ...     def close(self) -> None:
    ...         print("closed")
    >>> with Door():
    ...     print("open")
    open
    closed
    """

    __slots__ = ()

    def __enter__(self: _Self) -> _Self:  # noqa: PYI019 -- typing.Self is not in Python 3.10
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of everything that is held."""
        raise NotImplementedError
