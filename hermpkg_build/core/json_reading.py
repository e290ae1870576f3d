"""Reads values of frozen dataclasses out of their JSON forms, those of `json_codec` and nothing else."""

from __future__ import annotations

import enum
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, KeysView, Mapping
from functools import cache
from itertools import repeat
from types import NoneType, UnionType
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar, Union, get_args, get_origin

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.dataclass import fields, is_dataclass

OMITTED: Final = {"json": "omitted"}

_T = TypeVar("_T")
_Reader: TypeAlias = Callable[[Any], Any]
ColumnCheck: TypeAlias = Callable[[Collection[Any]], bool]
_MISSING = object()
_LONGEST = 80

column_checks: list[Callable[[Any, bool], ColumnCheck | None]] = []
"""What makes the check of very many values of one type at once: builds have one, `json_columns`."""


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


def from_json(kind: type[_T], value: object, *, ignore_unknown: bool = False) -> _T:
    """The value of the dataclass `kind` whose JSON form is `value`.

    `ignore_unknown` lets objects have other fields too, at any depth: those of a later version.
    Raises JsonFormError, which is a ValueError, for anything else.
    """
    hint: Any = kind
    result: _T = _reader(hint, ignore_unknown)(value)
    return result


# ---- reading: a function for each type, made when the first value of the type is read


@cache
def _reader(hint: Any, ignore_unknown: bool) -> _Reader:
    if hint == Json:
        return _checked(lambda value: value is not _MISSING, "a value")
    if hint in PLAIN:
        return _checked(lambda value: type(value) is hint, PLAIN[hint])
    if hasattr(hint, "JSON_TEXT"):
        return _text_reader(hint)
    if hasattr(hint, "JSON_ARRAY"):
        names, hints = zip(*hints_of(hint).items(), strict=True)
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
        return _mapping_reader(readers[1], arguments[1], ignore_unknown)
    raise TypeError(f"{hint} has no JSON form that can be read")


PLAIN: Mapping[Any, str] = {str: "a string", int: "an integer", bool: "true or false"}
_MANY = 50
"""Fewer parts are read at once: to look at them first takes longer."""


def hints_of(kind: Any) -> dict[str, Any]:
    """The types of the fields of a dataclass."""
    # As inspect.get_annotations does, which takes longer to import than many a command has to do.
    hints, names, own = kind.__annotations__, vars(sys.modules[kind.__module__]), dict(vars(kind))
    texts = {each.name: hints[each.name] for each in fields(kind)}
    return {
        name: eval(text, names, own) if isinstance(text, str) else text  # noqa: S307 -- our own source
        for name, text in texts.items()
    }


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


def _mapping_reader(read: _Reader, hint: Any, ignore_unknown: bool) -> _Reader:
    fit = column_checks[0](hint, ignore_unknown) if column_checks else None

    def read_parts(value: Any) -> Mapping[str, Any]:
        if fit is not None and len(_object(value)) >= _MANY and fit(value.values()):
            return UnreadParts(value, read)
        return dict(zip(value, _read_parts(_object(value), repeat(read), value.values()), strict=True))

    return read_parts


class UnreadParts(Mapping[str, _T], Generic[_T]):
    """The parts of a large object by their `forms`; `read` makes each when it is asked for."""

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
    readers = {name: _reader(hint, ignore_unknown) for name, hint in hints_of(kind).items()}
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
    """The field `name`, which none of them omits, of each of many dataclasses.

    Of parts that `from_json` has made it is the JSON form, which is at hand.
    """
    if isinstance(parts, UnreadParts):
        return ((key, form.get(name)) for key, form in parts.forms.items())
    return ((key, getattr(part, name)) for key, part in parts.items())


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
