"""Dataclasses of which each method is compiled when it is first called.

The standard library compiles them all when a class is defined, which takes longer than to load the rest of
its module: a command defines a hundred and fifty dataclasses, and uses a third of them. Type checkers take
these for the standard library's.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from dataclasses import MISSING, dataclass, field, fields, is_dataclass, replace
    from typing import Any

    Method = Callable[..., Any]

__all__ = ["MISSING", "dataclass", "field", "fields", "is_dataclass", "replace"]

_TABLE = "__fields_by_name__"
"""The attribute of a dataclass that has its fields, with those of its bases."""
_STANDARD = "__dataclass_fields__"
_ORDER = {"__lt__": "<", "__le__": "<=", "__gt__": ">", "__ge__": ">="}
_MISSING: Any = object()
_FACTORY = type("_Factory", (), {"__repr__": lambda _: "<factory>"})()
"""The default of parameters whose values a `default_factory` makes."""
_TOLD = {
    **dict.fromkeys(("default", "default_factory"), _MISSING),
    **dict.fromkeys(("init", "repr", "compare"), True),
    "metadata": {},
}


class _Field:
    """What is told of a field."""

    name: str
    type: str
    default: Any
    default_factory: Any
    init: bool
    repr: bool
    compare: bool
    kw_only: bool

    def __init__(self, **told: Any) -> None:
        vars(self).update(_TOLD, **told)


class _StandardFields:
    """The fields of a dataclass for the standard library."""

    made: Any = None

    def __get__(self, _: object, owner: type) -> Any:
        if not self.made:
            import dataclasses

            fields = []
            for each in _table(owner).values():
                told = {name: value for name, value in vars(each).items() if value is not _MISSING}
                fields.append((told.pop("name"), told.pop("type"), dataclasses.field(**told)))
            self.made = getattr(dataclasses.make_dataclass(owner.__name__, fields), _STANDARD)
        return self.made


class _Signature:
    """What a class is called with: `help` and editors ask for it."""

    def __get__(self, value: object, owner: type) -> Any:
        init: Any = getattr(owner, "__init__")  # noqa: B009 - for mypy, owner is an instance too
        if value is not None:
            raise AttributeError("__signature__")
        import inspect

        told = inspect.signature(init.write() if hasattr(init, "write") else init)
        return told.replace(parameters=[*told.parameters.values()][1:])


def _dataclass(
    *,
    slots: bool,
    frozen: bool = False,
    eq: bool = True,
    order: bool = False,
    kw_only: bool = False,
    repr: bool = True,  # noqa: A002 - the standard library's name
) -> Callable[[type], type]:
    assert slots  # Others are the standard library's.

    def made(cls: type) -> type:
        own = _own_fields(cls, kw_only)
        table: dict[str, _Field] = {}
        for base in cls.__mro__[:0:-1]:
            table |= base.__dict__.get(_TABLE, {})
        table |= own
        home: list[type] = []
        asked = {"__init__": True, "__repr__": repr, "__eq__": eq, **dict.fromkeys(_ORDER, order)}
        names = [name for name, is_asked in asked.items() if is_asked]
        methods: dict[str, Any] = {name: _written_later(name, home, frozen) for name in names}
        if eq:
            methods["__hash__"] = _written_later("__hash__", home, frozen) if frozen else None
        if frozen:
            methods |= _methods_of_frozen(table)
        methods |= {_STANDARD: _StandardFields(), "__signature__": _Signature()}
        home.append(type(cls)(cls.__name__, cls.__bases__, methods | _space(cls, table, own)))
        return home[0]

    return made


def _own_fields(cls: type, kw_only: bool) -> dict[str, _Field]:
    found: dict[str, _Field] = {}
    for name, annotation in getattr(cls, "__annotations__", {}).items():
        if str(annotation).startswith(("ClassVar", "typing.ClassVar")):
            continue
        told = cls.__dict__.get(name, _MISSING)
        each = told if isinstance(told, _Field) else _Field(default=told)
        if type(each.default).__hash__ is None:
            raise ValueError(f"the default of {name} could be changed: use default_factory")
        each.name, each.type = name, annotation
        vars(each).setdefault("kw_only", kw_only)
        found[name] = each
    return found


def _space(cls: type, table: Mapping[str, _Field], own: Mapping[str, _Field]) -> dict[str, Any]:
    """Return the attributes of the class that takes the place of `cls`, but for the methods to be made."""
    left_out = {*own, "__dict__", "__weakref__"}
    if "__eq__" in cls.__dict__ and cls.__dict__["__hash__"] is None:
        left_out.add("__hash__")  # Python sets it where a class says nothing of it.
    slots = {name for base in cls.__mro__[1:] for name in base.__dict__.get("__slots__", ())}
    return {
        **{name: value for name, value in cls.__dict__.items() if name not in left_out},
        "__slots__": tuple(name for name in table if name not in slots),
        "__qualname__": cls.__qualname__,
        _TABLE: table,
    }


def _written_later(name: str, home: Sequence[type], frozen: bool) -> Method:

    def write() -> Method:
        written = _written(name, home[0], frozen)
        if home[0].__dict__.get(name) is method:
            setattr(home[0], name, written)
        return written

    def method(*arguments: Any, **named: Any) -> Any:
        return write()(*arguments, **named)

    method.write = write  # type: ignore[attr-defined]
    return method


def _written(name: str, cls: type, frozen: bool) -> Method:
    table = _table(cls)
    if name == "__init__":
        return _init(cls, table, frozen)
    if name == "__repr__":
        return _repr([each.name for each in table.values() if each.repr])
    compared = [each.name for each in table.values() if each.compare]
    one, other = (f"({''.join(f'{value}.{each}, ' for each in compared)})" for value in ("self", "other"))
    if name == "__hash__":
        return _compiled(cls, f"{name}(self)", [f"return hash({one})"], {})
    line = f"if other.__class__ is self.__class__: return {one} {_ORDER.get(name, '==')} {other}"
    return _compiled(cls, f"{name}(self, other)", [line, "return NotImplemented"], {})


def _compiled(cls: type, head: str, lines: Sequence[str], known: dict[str, Any]) -> Method:
    name = head.partition("(")[0]
    exec("\n ".join((f"def {head}:", *lines)), known)  # noqa: S102 - names of fields alone
    method: Method = known[name]
    method.__qualname__ = f"{cls.__qualname__}.{name}"
    return method


def _init(cls: type, table: Mapping[str, _Field], frozen: bool) -> Method:
    known: dict[str, Any] = {"_factory": _FACTORY}
    positional, named, lines = ["self"], ["*"], []
    for name, each in table.items():
        value, default = name, ""
        if each.default is not _MISSING:
            default = f"_default_{name}"
            known[default] = each.default
        elif each.default_factory is not _MISSING:
            default, value = "_factory", f"_make_{name}() if {name} is _factory else {name}"
            known[f"_make_{name}"] = each.default_factory
        if each.init:
            (named if each.kw_only else positional).append(f"{name}={default}" if default else name)
        elif default:
            value = f"_make_{name}()" if default == "_factory" else default
        else:
            continue
        known[f"_set_{name}"] = getattr(cls, name).__set__
        lines.append(f"_set_{name}(self, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(cls, "__post_init__"):
        lines.append("self.__post_init__()")
    parameters = ", ".join(positional + (named if named[1:] else []))
    method = _compiled(cls, f"__init__({parameters})", lines or ["pass"], known)
    method.__annotations__ = {name: each.type for name, each in table.items() if each.init} | {"return": None}
    return method


def _repr(names: Sequence[str]) -> Method:
    def shown(self: object) -> str:
        values = ", ".join([f"{name}={getattr(self, name)!r}" for name in names])
        return f"{self.__class__.__qualname__}({values})"

    return shown


def _methods_of_frozen(table: Mapping[str, _Field]) -> dict[str, Method]:
    def refusing(original: Method) -> Method:
        def method(self: object, name: str, *value: object) -> None:
            if name in table or type(self).__dict__.get(_TABLE) is table:
                from dataclasses import FrozenInstanceError

                deed = "assign to" if value else "delete"
                raise FrozenInstanceError(f"cannot {deed} field {name!r}")
            original(self, name, *value)

        return method

    def state(self: object) -> list[object]:
        return [getattr(self, name) for name in table]

    def take_state(self: object, values: Sequence[object]) -> None:
        for name, value in zip(table, values, strict=True):
            object.__setattr__(self, name, value)

    changing = {name: refusing(getattr(object, name)) for name in ("__setattr__", "__delattr__")}
    return {**changing, "__getstate__": state, "__setstate__": take_state}


def _table(owner: object) -> Mapping[str, _Field]:
    table: Mapping[str, _Field] = getattr(owner, _TABLE)
    return table


def _is_dataclass(value: object) -> bool:
    return hasattr(value, _TABLE)


def _fields(owner: object) -> tuple[_Field, ...]:
    return tuple(_table(owner).values())


def _replace(value: Any, **changes: Any) -> Any:
    kept = {name: getattr(value, name) for name, each in _table(value).items() if each.init}
    return value.__class__(**{**kept, **changes})


if not TYPE_CHECKING:
    MISSING, dataclass, field = _MISSING, _dataclass, _Field
    fields, is_dataclass, replace = _fields, _is_dataclass, _replace
