"""The JSON forms of frozen dataclasses: `to_json` writes one, and `from_json` reads it and nothing else.

| a value                                          | its form                                             |
|--------------------------------------------------|------------------------------------------------------|
| a dataclass                                      | an object that has every field by its name           |
| one whose class says ``JSON_ARRAY = True``       | an array of the fields in their order                |
| one whose class says ``JSON_TEXT = "<the form>"``| its ``str``, which its classmethod ``parse`` reads   |
| an enum                                          | its value                                            |
| a tuple, a mapping                               | an array, an object                                  |
| bytes                                            | hexadecimal digits (these are only written)          |
| str, int, float, bool, None, `Json`              | as it is                                             |

A class with ``JSON_TEXT`` may say by ``JSON_PATTERN`` which texts `parse` reads, so that many are read fast.
A field with the metadata `OMITTED` is left out of an object where it has its default.

>>> from hermpkg_build.dataclass import dataclass, field
>>> @dataclass(frozen=True, slots=True, kw_only=True)
... class Point:
...     x: int
...     name: str = field(default="", metadata=OMITTED)
>>> to_json(Point(x=1))
{'x': 1}
>>> from_json(Point, {"x": 1, "name": "a"})
Point(x=1, name='a')
>>> from_json(Point, {"x": "1"})
Traceback (most recent call last):
...
hermpkg_build.core.json_codec.JsonFormError: at x: expected an integer, found '1'
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from operator import attrgetter
from types import NoneType
from typing import Any, TypeAlias

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.json_columns import column_check
from hermpkg_build.core.json_reading import OMITTED, JsonFormError, column_checks, from_json
from hermpkg_build.dataclass import fields, is_dataclass

__all__ = ["OMITTED", "JsonFormError", "from_json", "to_json"]

_Writer: TypeAlias = Callable[[Any], Any]

column_checks.append(column_check)


def to_json(value: object) -> Any:
    """The JSON form of a value. Raises TypeError for a value that has none."""
    kind = type(value)
    write = _WRITERS.get(kind)
    if write is None:
        write = _WRITERS[kind] = _writer(kind)
    return write(value)


_AS_IT_IS: frozenset[type] = frozenset({str, int, float, bool, NoneType})
"""Nearly all parts are of these types: they are looked at before a function is called."""


def _write_mapping(value: Any) -> dict[str, Json]:
    return {name: part if type(part) in _AS_IT_IS else to_json(part) for name, part in value.items()}


def _write_array(value: Any) -> list[Json]:
    return [part if type(part) in _AS_IT_IS else to_json(part) for part in value]


_WRITERS: dict[type, _Writer] = {
    **dict.fromkeys(_AS_IT_IS, lambda value: value),
    **dict.fromkeys((tuple, list), _write_array),
    dict: _write_mapping,
    bytes: bytes.hex,
}


def _writer(kind: Any) -> _Writer:
    if issubclass(kind, enum.Enum):
        return attrgetter("value")
    if hasattr(kind, "JSON_TEXT"):
        return str
    if hasattr(kind, "JSON_ARRAY"):
        parts_of = _parts_getter([each.name for each in fields(kind)])
        return lambda value: _write_array(parts_of(value))
    if is_dataclass(kind):
        return _object_writer(kind)
    if issubclass(kind, Mapping):
        return _write_mapping
    raise TypeError(f"{kind.__name__} has no JSON form")


def _object_writer(kind: Any) -> _Writer:
    others = {each.name: each.default for each in fields(kind) if each.metadata == OMITTED}
    always = [each.name for each in fields(kind) if each.name not in others]
    parts_of = _parts_getter(always)

    def write(value: Any) -> dict[str, Json]:
        form = dict(zip(always, _write_array(parts_of(value)), strict=True))
        for name, default in others.items():
            if (part := getattr(value, name)) != default:
                form[name] = to_json(part)
        return form

    return write


def _parts_getter(names: Sequence[str]) -> Callable[[Any], tuple[Any, ...]]:
    """A function that gives these attributes of a value."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)
