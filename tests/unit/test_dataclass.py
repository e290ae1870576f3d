"""The package's dataclasses are what the standard library would make of the same classes."""

from __future__ import annotations

import copy
import dataclasses
import importlib
import inspect
import itertools
import operator
import pickle
import pkgutil
import subprocess
import sys
import typing
from contextlib import suppress
from typing import Any

import pytest

import hermpkg_build
from hermpkg_build import dataclass as lazy

OPTIONS = [
    "frozen=True, slots=True, kw_only=True",
    "frozen=True, slots=True",
    "frozen=True, slots=True, order=True",
    "slots=True, kw_only=True",
    "slots=True",
    "slots=True, eq=False",
    "frozen=True, slots=True, eq=False",
    "frozen=True, slots=True, eq=False, repr=False",
]
BODIES = {
    "plain": "a: int\n    b: str",
    "one": "a: int",
    "none": '"""Nothing."""',
    "defaults": "a: int\n    b: str = 'x'\n    c: tuple = ()",
    "factories": "\n    ".join(
        ["a: int", "b: list = field(default_factory=list)", "c: dict = field(default_factory=dict)"]
    ),
    "not given": "\n    ".join(
        [
            "a: int",
            "b: list = field(default_factory=list, init=False)",
            "c: int = field(default=3, init=False)",
        ]
    ),
    "hidden": "\n    ".join(
        ["a: int", "b: str = field(default='x', repr=False)", "c: str = field(default='y', compare=False)"]
    ),
    "one by name": "a: int\n    b: str = field(default='x', kw_only=True)",
    "class's own": "a: int\n    KIND: typing.ClassVar = 3\n    OTHER: typing.ClassVar[int] = 4",
    "told": "a: int = field(metadata={'doc': 'so'})",
    "own methods": "a: int\n    def __eq__(self, other): return True\n    def __repr__(self): return 'own'",
    "own hash": "a: int\n    def __hash__(self): return 7",
    "own both": "a: int\n    def __eq__(self, other): return True\n    def __hash__(self): return 7",
    "own init": "a: int\n    def __init__(self, *a, **b): object.__setattr__(self, 'a', 5)",
    "looked at": "a: int\n    def __post_init__(self):\n        if self.a == 13: raise ValueError(self.a)",
}
SOURCE = """
from __future__ import annotations
@dataclass({options})
class Base:
    {body}
@dataclass({options})
class Sub(Base):
    z: int = 9
    a: int = 4
class Loose(Base):
    pass
"""


def made(body: str, options: str, decorator: Any, field: Any) -> dict[str, Any]:
    """The classes of `SOURCE` by a decorator."""
    space: dict[str, Any] = {"dataclass": decorator, "field": field, "__name__": __name__, "typing": typing}
    exec(SOURCE.format(body=body, options=options), space)
    return space


def told(deed: Any, *arguments: Any, **named: Any) -> Any:
    """What comes of a call, in words."""
    try:
        found = deed(*arguments, **named)
    except Exception as error:
        return type(error), str(error)
    shown = repr(found)
    return "an object" if " object at 0x" in shown else shown


def behaviour(cls: Any) -> list[Any]:
    """What can be seen of a dataclass."""
    calls = [(), (1,), (1, "b"), (1, "b", 3), (1, "b", 3, 4, 5)]
    names = [{}, {"a": 1}, {"a": 1, "b": "b"}, {"b": "b"}, {"a": 13}, {"c": 1}, {"z": 1, "a": 2}, {"q": 1}]
    seen: list[Any] = [told(cls, *one, **other) for one, other in itertools.product(calls, names)]
    values: list[Any] = []
    for one, other in itertools.product(calls, names):
        with suppress(TypeError, ValueError):
            values.append(cls(*one, **other))
    for value in values[:6]:
        seen += [told(getattr, value, name) for name in ("a", "b", "c", "z", "KIND", "OTHER")]
        seen += [told(copy.copy, value), told(hash, value) == told(hash, copy.copy(value))]
        seen += [told(lambda value=value: value == value), told(lambda value=value: value == 3)]
        seen += [told(dataclasses.replace, value, a=8), told(dataclasses.asdict, value)]
    signs = (operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge)
    for one, other in itertools.product(values[:6], repeat=2):
        seen += [told(sign, one, other) for sign in signs]
    for value in values[:3] if hasattr(cls, "a") else ():
        seen += [told(setattr, value, "a", 2), told(delattr, value, "a"), told(repr, value)]
    fields = [
        (each.name, each.type, each.init, each.repr, each.compare, each.kw_only, dict(each.metadata))
        for each in dataclasses.fields(cls)
    ]
    # Python 3.10 gives a class the slots of its bases once more.
    slots = vars(cls).get("__slots__") if sys.version_info >= (3, 11) else None
    return [*seen, fields, slots]


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", BODIES)
def test_classes_behave_as_those_of_the_standard_library(name, options):
    body = BODIES[name]
    try:
        theirs = made(body, options, dataclasses.dataclass, dataclasses.field)
    except TypeError:
        pytest.skip("the standard library refuses it")
    ours = made(body, options, lazy.dataclass, lazy.field)
    for kind in ("Base", "Sub", "Loose"):
        assert behaviour(ours[kind]) == behaviour(theirs[kind])


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", BODIES)
def test_help_tells_what_constructors_take(name, options):
    try:
        theirs = made(BODIES[name], options, dataclasses.dataclass, dataclasses.field)
    except TypeError:
        pytest.skip("the standard library refuses it")
    ours = made(BODIES[name], options, lazy.dataclass, lazy.field)
    for kind in ("Loose", "Sub", "Base", "Base"):
        assert ours[kind].__signature__ == ours[kind].__signature__
        assert str(inspect.signature(ours[kind])) == str(inspect.signature(theirs[kind]))
        assert told(inspect.signature, ours[kind].__call__) == told(inspect.signature, theirs[kind].__call__)


def dataclasses_of_the_package() -> list[type]:
    found: dict[type, None] = {}
    for each in pkgutil.walk_packages(hermpkg_build.__path__, "hermpkg_build."):
        if ".integrations." in each.name or each.name.endswith(("__main__", "setuptools_command")):
            continue
        try:
            module = importlib.import_module(each.name)
        except ImportError:
            continue
        found |= {
            kind: None
            for kind in vars(module).values()
            if isinstance(kind, type) and lazy._TABLE in vars(kind)
        }
    return [*found]


def test_each_dataclass_of_the_package_is_made_as_the_standard_library_would_make_it():
    kinds = dataclasses_of_the_package()
    assert len(kinds) > 300
    for kind in kinds:
        fields = {each.name: each for each in dataclasses.fields(kind)}
        assert [*fields] == [each.name for each in lazy.fields(kind)]
        told = [(each.name, each.type, copy.copy(each)) for each in fields.values()]
        theirs = dataclasses.make_dataclass(kind.__name__, told, slots=True)
        if "__init__" not in kind.__dict__:
            continue
        written = lazy._init(kind, lazy._table(kind), True)
        ours, other = (inspect.signature(each).parameters for each in (written, theirs.__init__))
        assert [(name, one.kind, one.default is one.empty) for name, one in ours.items()] == [
            (name, one.kind, one.default is one.empty) for name, one in other.items()
        ], kind


@lazy.dataclass(frozen=True, slots=True, kw_only=True)
class Pickled:
    """A value of a module, which pickles find."""

    a: int
    b: list[int] = lazy.field(default_factory=list)


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_values_are_pickled(protocol):
    value = Pickled(a=1, b=[2])
    assert pickle.loads(pickle.dumps(value, protocol)) == value


def test_frozen_values_take_no_other_attribute():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Pickled(a=1).c = 2  # type: ignore[attr-defined, misc]


def test_no_dataclass_of_the_standard_library_is_made_of_one():
    with pytest.raises(AttributeError, match="__dataclass_params__"):
        dataclasses.dataclass(type("Sub", (Pickled,), {}))


def test_a_default_that_could_be_changed_is_refused():
    with pytest.raises(ValueError, match="default_factory"):
        made("a: list = []", OPTIONS[0], lazy.dataclass, lazy.field)


def test_methods_that_others_put_in_place_stay(monkeypatch):
    space = made("a: int", OPTIONS[0], lazy.dataclass, lazy.field)
    before = space["Base"].__init__

    def counted(self: object, **named: int) -> None:
        before(self, a=named["a"] + 1)

    monkeypatch.setattr(space["Base"], "__init__", counted)
    assert [space["Base"](a=1).a, space["Base"](a=1).a] == [2, 2]


def test_a_build_imports_nothing_that_makes_dataclasses():
    code = "import hermpkg_build.engine.build, sys; print('dataclasses' in sys.modules)"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        == "False\n"
    )
