"""The parts of a large JSON object whose form was looked at as a whole, each read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, KeysView, Mapping
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class UnreadParts(Mapping[str, _T], Generic[_T]):
    """The values whose JSON forms are in `forms`, all of them right; `read` makes a value of a form."""

    __slots__ = ("_made", "_read", "forms")

    def __init__(self, forms: dict[str, Any], read: Callable[[Any], _T]) -> None:
        self.forms: dict[str, Any] = forms
        self._read = read
        self._made: dict[str, _T] = {}

    def __getitem__(self, name: str) -> _T:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._read(self.forms[name])
        return made

    def __contains__(self, name: object) -> bool:
        return name in self.forms

    def __iter__(self) -> Iterator[str]:
        return iter(self.forms)

    def __len__(self) -> int:
        return len(self.forms)

    def keys(self) -> KeysView[str]:
        """Return the names, which know the operations of sets."""
        return self.forms.keys()

    def __repr__(self) -> str:
        return repr(dict(self))
