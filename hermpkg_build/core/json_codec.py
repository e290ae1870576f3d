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
import re
from collections.abc import Callable, Collection, Iterable, Iterator, KeysView, Mapping, Sequence
from functools import cache
from inspect import get_annotations
from itertools import chain, repeat
from operator import attrgetter, itemgetter
from types import NoneType, UnionType
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.dataclass import fields, is_dataclass

OMITTED: Final = {"json": "omitted"}

_T = TypeVar("_T")
_Reader: TypeAlias = Callable[[Any], Any]
_Writer: TypeAlias = Callable[[Any], Any]
_ColumnCheck: TypeAlias = Callable[[Collection[Any]], bool]
_MISSING = object()
_LONGEST = 80


class JsonFormError(ValueError):
    """JSON that is not the form of the value to read.

    `at` is the place of the part at fault (``records['a.py']['digest']``), `expected` describes the part
    that should be there, and `found` the part that is, both in a few words.
    """

    def __init__(self, expected: str, found: object) -> None:
        super().__init__(expected, found)
        text = "nothing" if found is _MISSING or found is None else repr(found)
        self.expected = expected
        self.found: str = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 3]}..."
        self._steps: list[object] = []

    def __str__(self) -> str:
        return f"at {self.at}: expected {self.expected}, found {self.found}"

    @property
    def at(self) -> str:
        """The place of the part at fault, from the outermost field on."""
        first, *rest = self._steps[::-1] or ["the whole"]
        return f"{first}{''.join(f'[{step!r}]' for step in rest)}"

    def inside(self, step: object) -> JsonFormError:
        """The same error, of a part that is in the field or at the index `step` of something larger."""
        self._steps.append(step)
        return self


def to_json(value: object) -> Any:
    """The JSON form of a value. Raises TypeError for a value that has none."""
    kind = type(value)
    write = _WRITERS.get(kind)
    if write is None:
        write = _WRITERS[kind] = _writer(kind)
    return write(value)


def from_json(kind: type[_T], value: object, *, ignore_unknown: bool = False) -> _T:
    """The value of the dataclass `kind` whose JSON form is `value`.

    `ignore_unknown` lets objects have other fields too, at any depth: those of a later version.
    Raises JsonFormError, which is a ValueError, for anything else.
    """
    hint: Any = kind
    result: _T = _reader(hint, ignore_unknown)(value)
    return result


# ---- writing: a function for each type, made when the first value of the type is written


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


# ---- reading: a function for each type, made when the first value of the type is read


@cache
def _reader(hint: Any, ignore_unknown: bool) -> _Reader:
    if hint == Json:
        return _checked(lambda value: value is not _MISSING, "a value")
    if hint in _PLAIN:
        return _checked(lambda value: type(value) is hint, _PLAIN[hint])
    if hasattr(hint, "JSON_TEXT"):
        return _text_reader(hint)
    if hasattr(hint, "JSON_ARRAY"):
        names, hints = zip(*_hints(hint).items(), strict=True)
        read = _row_reader([_reader(part, ignore_unknown) for part in hints])
        return lambda value: hint(**dict(zip(names, read(value), strict=True)))
    if is_dataclass(hint):
        return _object_reader(hint, ignore_unknown)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choice_reader({member.value: member for member in hint})
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Literal:
        return _choice_reader({choice: choice for choice in arguments})
    readers = [_reader(part, ignore_unknown) for part in arguments if part not in (NoneType, Ellipsis)]
    if origin in (Union, UnionType) and len(readers) == 1:
        return lambda value: None if value is None else readers[0](value)
    if origin is tuple:
        return _items_reader(readers[0]) if Ellipsis in arguments else _row_reader(readers)
    if origin is Mapping:
        return _mapping_reader(readers[1], _column_check(arguments[1], ignore_unknown))
    raise TypeError(f"{hint} has no JSON form that can be read")


_PLAIN = {str: "a string", int: "an integer", bool: "true or false"}
_MANY = 50
"""Fewer parts are read at once: to look at them first takes longer."""


def _hints(kind: Any) -> dict[str, Any]:
    """The types of the fields of a dataclass."""
    hints = get_annotations(kind, eval_str=True)
    return {each.name: hints[each.name] for each in fields(kind)}


def _checked(fits: Callable[[Any], bool], expected: str) -> _Reader:
    def read(value: Any) -> Any:
        if not fits(value):
            raise JsonFormError(expected, value)
        return value

    return read


def _choice_reader(choices: Mapping[str, Any]) -> _Reader:
    def read(value: Any) -> Any:
        if type(value) is not str or value not in choices:
            raise JsonFormError(f"one of {', '.join(choices)}", value)
        return choices[value]

    return read


def _text_reader(kind: Any) -> _Reader:
    def read(value: Any) -> Any:
        try:
            return kind.parse(_text(value))
        except ValueError:
            raise JsonFormError(kind.JSON_TEXT, value) from None

    return read


def _items_reader(read: _Reader) -> _Reader:
    return lambda value: tuple(_read_parts(range(len(_array(value))), repeat(read), value))


def _row_reader(readers: list[_Reader]) -> _Reader:
    def read(value: Any) -> tuple[Any, ...]:
        if len(_array(value)) != len(readers):
            raise JsonFormError(f"an array of {len(readers)}", value)
        return tuple(_read_parts(range(len(readers)), readers, value))

    return read


def _mapping_reader(read: _Reader, fit: _ColumnCheck | None) -> _Reader:
    def read_parts(value: Any) -> Mapping[str, Any]:
        if fit is not None and len(_object(value)) >= _MANY and fit(value.values()):
            return UnreadParts(value, read)
        return dict(zip(value, _read_parts(_object(value), repeat(read), value.values()), strict=True))

    return read_parts


class UnreadParts(Mapping[str, _T], Generic[_T]):
    """The parts of a large object of which all `forms` are right; `read` makes each when it is asked for."""

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


def _object_reader(kind: Any, ignore_unknown: bool) -> _Reader:
    readers = {name: _reader(hint, ignore_unknown) for name, hint in _hints(kind).items()}
    omitted = [each.name for each in fields(kind) if each.metadata == OMITTED]
    always = [name for name in readers if name not in omitted]

    def read(value: Any) -> Any:
        names = [*always, *(name for name in omitted if name in _object(value))]
        found = [_object(value).get(name, _MISSING) for name in names]
        parts = _read_parts(names, [readers[name] for name in names], found)
        if len(value) > len(names) and not ignore_unknown:
            unknown = min(value.keys() - names)
            raise JsonFormError("no field of this name", value[unknown]).inside(unknown)
        return kind(**dict(zip(names, parts, strict=True)))

    return read


def column(parts: Mapping[str, Any], name: str) -> Iterator[tuple[str, Any]]:
    """The JSON form of the field `name`, which none of them omits, of each of many dataclasses.

    Of parts that `from_json` has made it is at hand.
    """
    if isinstance(parts, UnreadParts):
        return zip(parts.forms, map(itemgetter(name), parts.forms.values()), strict=True)
    return ((key, to_json(getattr(part, name))) for key, part in parts.items())


# ---- looking at very many values at once, in few steps for all of them; each says no where one is wrong


def _column_check(hint: Any, ignore_unknown: bool) -> _ColumnCheck | None:
    """The check of the values of one type; None for a type whose values are read one by one."""
    if hint in _PLAIN:
        return lambda values: {*map(type, values)} <= {hint}
    if hasattr(hint, "JSON_PATTERN"):
        return _texts_check(hint.JSON_PATTERN)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return _choices_check({member.value for member in hint})
    if is_dataclass(hint) and not hasattr(hint, "JSON_ARRAY") and not hasattr(hint, "JSON_TEXT"):
        return _objects_check(hint, ignore_unknown)
    return None


def _texts_check(pattern: str) -> _ColumnCheck:
    lines_of = re.compile(f"(?:{pattern}\n)*")

    def fit(values: Collection[Any]) -> bool:
        if {*map(type, values)} != {str}:
            return not values
        lines = "\n".join([*values, ""])
        return lines.count("\n") == len(values) and lines_of.fullmatch(lines) is not None

    return fit


def _choices_check(choices: set[Any]) -> _ColumnCheck:
    return lambda values: {*map(type, values)} <= {str} and {*values} <= choices


def _objects_check(kind: Any, ignore_unknown: bool) -> _ColumnCheck | None:
    found = {name: _column_check(hint, ignore_unknown) for name, hint in _hints(kind).items()}
    checks = {name: check for name, check in found.items() if check is not None}
    omitted = {each.name for each in fields(kind) if each.metadata == OMITTED}
    always = checks.keys() - omitted
    if len(checks) < len(found):
        return None

    def fit(values: Collection[Any]) -> bool:
        if {*map(type, values)} != {dict}:
            return not values
        names = {*chain.from_iterable(values)}
        if not (ignore_unknown or names <= checks.keys()):
            return False
        try:
            columns = {name: list(map(itemgetter(name), values)) for name in always}
        except KeyError:
            return False
        columns |= {name: [each[name] for each in values if name in each] for name in omitted & names}
        return all(checks[name](column) for name, column in columns.items())

    return fit


_text = _checked(lambda value: type(value) is str, "a string")
_array = _checked(lambda value: type(value) is list, "an array")
_object = _checked(lambda value: type(value) is dict, "an object")


def _read_parts(steps: Iterable[object], readers: Iterable[_Reader], values: Iterable[Any]) -> list[Any]:
    """Read each part of a value; an error says at which of the `steps` that was."""
    parts: list[Any] = []
    try:
        for read, value in zip(readers, values, strict=False):
            parts.append(read(value))
    except JsonFormError as error:
        raise error.inside([*steps][len(parts)]) from None
    return parts
