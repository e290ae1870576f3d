"""Whether a loaded object is of the type that was asked for: a class, or a container with what is in it."""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any, get_args, get_origin

from hermpkg_build.errors import ArchiveError
from hermpkg_build.runtime.mangling import demangle, is_mangled

_PROGRAM = ("__main__", "__mp_main__")
"""What a program is called, and one that multiprocessing starts anew: other names are packed for these."""
_CONTAINERS = ("builtins", "collections", "collections.abc")
"""The modules of classes whose parameters say what is in them."""
_UNIONS = (typing.Union, types.UnionType)


class ObjectTypeError(ArchiveError, TypeError):
    """An object of an artifact is of another type than was asked for."""


def check_type(as_type: object) -> None:
    """Raise TypeError for what no object can be compared with.

    >>> check_type(dict[str, int | None])
    >>> check_type("dict")
    Traceback (most recent call last):
    TypeError: as_type must be a class such as dict or dict[str, int], not 'dict': 'dict' is no class
    """
    reason = "it is no class" if _is_union(as_type) else _why_not(as_type)
    if reason:
        raise TypeError(f"as_type must be a class such as dict or dict[str, int], not {as_type!r}: {reason}")


def check_object(found: object, as_type: Any, record: str, file: str) -> None:
    """Raise ObjectTypeError unless `found` is of `as_type`, and what is in it of the parameters of that.

    A class of the host stands for the packed class of the same name, too.
    """
    wrong = _wrong(found, as_type, "")
    if wrong is None:
        return
    path, part, expected = wrong
    facts = [("file", file), ("record", record), *([("in", path)] if path else [])]
    raise ObjectTypeError(
        "the object is of another type than `as_type`",
        facts=[*facts, ("type", _shown(type(part))), ("expected", _shown(expected))],
        next_step="give the type that it has, or no `as_type`",
    )


def _why_not(form: object) -> str:
    """Why no object can be compared with a form, "" where one can."""
    if form is Any or form is None:
        return ""
    if _is_union(form):
        return next(filter(None, map(_why_not, get_args(form))), "")
    origin = get_origin(form)
    if origin is not None:
        inside = [each for each in get_args(form) if each is not ...] if _is_container(origin) else []
        return next(filter(None, map(_why_not, [origin, *inside])), "")
    if not isinstance(form, type):
        return f"{form!r} is no class"
    try:
        isinstance(None, form)
    except TypeError as error:
        return str(error)
    return ""


def _wrong(found: object, form: Any, path: str) -> tuple[str, object, object] | None:
    """The first part of an object that is not of its form: its path, itself, the form; None where all are."""
    if form is Any:
        return None
    if _is_union(form):
        fits = any(_wrong(found, each, path) is None for each in get_args(form))
        return None if fits else (path, found, form)
    origin = get_origin(form) or form
    if not (found is None if form is None else _is_of(found, origin)):
        return path, found, form
    parameters = get_args(form)
    if not (parameters and _is_container(origin) and isinstance(found, Collection)):
        return None
    if issubclass(origin, tuple) and parameters[1:] != (...,) and len(parameters) != len(found):
        return path, found, form
    wrong = (_wrong(part, each, f"{path}[{step}]") for step, part, each in _parts(found, origin, parameters))
    return next(filter(None, wrong), None)


def _parts(found: Any, origin: type, parameters: tuple[Any, ...]) -> Iterator[tuple[str, object, Any]]:
    """What is in a container: where, itself, and its form by the parameters of the container's class."""
    if isinstance(found, Mapping):
        for key, value in found.items():
            for part, form in zip((key, value), parameters, strict=False):  # A Counter has one parameter.
                yield repr(key), part, form
    else:
        by_number = issubclass(origin, tuple) and parameters[1:] != (...,)
        for number, part in enumerate(found):
            yield str(number), part, parameters[number if by_number else 0]


def _is_union(form: object) -> bool:
    return get_origin(form) in _UNIONS


def _is_container(origin: type) -> bool:
    return origin.__module__ in _CONTAINERS and issubclass(origin, Iterable)


def _is_of(found: object, cls: type) -> bool:
    """Whether an object is of a class, or of what an artifact has in place of it, where it is of the host."""
    if isinstance(found, cls):
        return True
    if is_mangled(cls.__module__):
        return False
    module, name = _name(cls)
    packed = (_name(each) for each in type(found).__mro__ if is_mangled(each.__module__))
    return any(name == its_name and module in (its_module, *_PROGRAM) for its_module, its_name in packed)


def _name(cls: type) -> tuple[str, str]:
    return demangle(cls.__module__), cls.__qualname__


def _shown(form: object) -> str:
    return ".".join(_name(form)) if isinstance(form, type) and not get_args(form) else repr(form)
