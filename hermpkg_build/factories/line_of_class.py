"""The line that a class begins in, as classes of the workspace have it: who looks at the number is noted.

Classes know their lines from Python 3.13 on, as an entry of their namespaces. Those are copied, by decorators
and metaclasses, and searched, by others, who do nothing with this number. So it is none: it gives the number
as an attribute of a class does, and behaves as it where it is taken out of a namespace.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

_OF_OBJECTS = ("__str__", "__reduce__", "__reduce_ex__", "__dir__")
_OWN = ("__new__", "__getattribute__", "__doc__")


def _class_of_numbers(_: object) -> type[int]:
    LineOfClass.was_taken_for_number = True
    return int


class LineOfClass:
    """A number that calls `note` before it is told. Where only its type is asked for, nothing is told."""

    __slots__ = ("_told",)
    __class__: Any = property(_class_of_numbers)
    was_taken_for_number = False
    """Whether the class of one was asked for in this process."""

    def __init__(self, line: int, note: Callable[[], None]) -> None:
        def told() -> int:
            note()
            return line

        self._told = told

    def __get__(self, instance: object, owner: type) -> int:
        return self._told()

    def __getattr__(self, name: str) -> Any:
        getattr(int, name)
        return getattr(self._told(), name)


def _as_number(name: str) -> Callable[..., Any]:
    """The method `name` of numbers, for numbers of which one or more are still to be told."""

    def method(line: LineOfClass, *arguments: Any) -> Any:
        told = [each._told() if type(each) is LineOfClass else each for each in (line, *arguments)]
        return getattr(told[0], name)(*told[1:])

    return method


def may_be_refused(error: BaseException | None) -> bool:
    """Whether an exception stems from one by which code may have refused a `LineOfClass`.

    Such an error names its type, or comes after code has asked for its class, or is one of `marshal`.
    """
    while error is not None:
        if LineOfClass.was_taken_for_number and isinstance(error, TypeError | ValueError):
            return True
        with suppress(Exception):
            if any(each in str(error) for each in (LineOfClass.__name__, "unmarshallable object")):
                return True
        error = error.__cause__ or error.__context__
    return False


for _name in (*vars(int), *_OF_OBJECTS):
    if callable(getattr(int, _name)) and _name.startswith("__") and _name not in _OWN:
        setattr(LineOfClass, _name, _as_number(_name))
