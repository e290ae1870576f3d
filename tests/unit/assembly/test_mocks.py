"""The stubs of mocked modules, executed as an importer would."""

from __future__ import annotations

import contextlib
import copy
import doctest
import importlib
import inspect
import pickle
import sys
import typing
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from hermpkg_build.assembly.mocks import mock_parts
from hermpkg_build.core.graph import ModuleGraph, ModuleNode
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy


@pytest.fixture
def spy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """The mocked package `spy` with its mocked module `spy.sub`, imported from a folder."""
    nodes = {
        name: ModuleNode(name=name, policy=Policy.MOCK, kind=kind, origin=Origin.MISSING)
        for name, kind in (("spy", ModuleKind.PACKAGE), ("spy.sub", ModuleKind.SOURCE))
    }
    for part in mock_parts(ModuleGraph(nodes, [], []), ()):
        file = tmp_path / part.name
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(part.content)  # type: ignore[arg-type]
    monkeypatch.syspath_prepend(str(tmp_path))
    yield importlib.import_module("spy")
    for name in ("spy", "spy.sub", "_mock"):
        sys.modules.pop(name, None)


def enter(mocked: typing.Any) -> None:
    with mocked:
        pass


def derive(mocked: typing.Any) -> None:
    class Derived(mocked):
        pass


def decorate(mocked: typing.Any) -> None:
    @mocked
    def decorated() -> None: ...


USES: dict[str, Callable[[typing.Any], object]] = {
    "call": lambda m: m(1, a=2),
    "attribute": lambda m: m.x,
    "set": lambda m: setattr(m, "x", 1),
    "delete": lambda m: delattr(m, "x"),
    "base class": derive,
    "decorator": decorate,
    "isinstance": lambda m: isinstance(1, m),
    "issubclass": lambda m: issubclass(int, m),
    "subscript": lambda m: m[0],
    "iterate": list,
    "contains": lambda m: 1 in m,
    "bool": bool,
    "len": len,
    "equal": lambda m: m == 1,
    "not equal": lambda m: m != "x",
    "less": lambda m: m < 1,
    "add": lambda m: m + 1,
    "right add": lambda m: 1 + m,
    "or": lambda m: m | None,
    "negative": lambda m: -m,
    "int": int,
    "index": lambda m: [1, 2][m],
    "with": enter,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": pickle.dumps,
}


@pytest.mark.parametrize("use", USES)
def test_every_use_names_the_mocked_object(spy: ModuleType, use: str) -> None:
    with pytest.raises(NotImplementedError, match=r"'spy\.thing' was mocked out .*: it|'spy\.thing'.*: its"):
        USES[use](spy.thing)


def test_what_is_no_use(spy: ModuleType) -> None:
    thing = spy.thing
    assert repr(thing) == str(thing) == f"{thing}" == "MockedObject(spy.thing)"
    assert thing is not None
    assert thing == thing
    assert callable(thing)

    class Holder:
        attribute = thing

        def method(self, value: thing, other: typing.Optional[thing], more: list[thing]) -> thing: ...  # type: ignore[valid-type]  # noqa: UP045

    assert Holder.attribute is Holder().attribute is thing
    assert typing.Dict[str, thing]  # type: ignore[valid-type]  # noqa: UP006


def test_submodules_are_imported_not_mocked_again(spy: ModuleType) -> None:
    from spy import sub  # type: ignore[import-not-found]

    assert isinstance(sub, ModuleType)
    assert repr(sub.thing) == "MockedObject(spy.sub.thing)"
    assert spy.sub is sub


def test_a_star_import_gives_nothing(spy: ModuleType) -> None:
    names: dict[str, object] = {}
    exec("from spy import *", names)
    assert set(names) - {"__builtins__"} == set()


def test_tools_that_look_around_come_to_an_end(spy: ModuleType) -> None:
    spy.thing_here = thing = spy.thing
    assert inspect.unwrap(thing) is thing
    assert not inspect.isabstract(thing)
    inspect.getmembers(spy)
    inspect.getdoc(thing)
    with contextlib.suppress(TypeError, NotImplementedError):
        inspect.signature(thing)
    assert not any(test.examples for test in doctest.DocTestFinder().find(spy))
    assert not hasattr(thing, "__wrapped__")
    assert not hasattr(spy, "__all__")
    assert hasattr(spy, "__path__")
    dir(thing)
    vars(spy)


def test_the_record_needs_no_module(tmp_path: Path) -> None:
    from hermpkg_build.assembly.mocks import mock_source

    source = mock_source()
    assert b"import" not in source.replace(b"imported", b"").replace(b"imports", b"").replace(
        b"an import.", b""
    )
