"""The class that a loaded object is said to be of: the host's, or the artifact's in its place."""

from __future__ import annotations

import collections
import importlib
import itertools
import pickle
import sys
import types
import typing
from typing import Any, Protocol

import pytest

from hermpkg_build import HermpkgError, PackageImporter
from hermpkg_build.runtime.contents.expected_type import ObjectTypeError

SHAPES = """
    class Shape:
        class Inner: pass
    class Square(Shape): pass
    class Red: pass
    class RedSquare(Red, Square): pass
"""
CLASSES = ("Shape", "Shape.Inner", "Square", "Red", "RedSquare")


class Unchecked(Protocol):
    side: int


@pytest.fixture
def importer(load, tmp_path, monkeypatch) -> PackageImporter:
    """An artifact with an object of each class, whose module the host has, too."""
    (tmp_path / "shapes_of_host.py").write_text(SHAPES.replace("\n    ", "\n"))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shapes_of_host", raising=False)
    host = importlib.import_module("shapes_of_host")
    monkeypatch.setitem(sys.modules, "shapes_of_host", host)
    objects = {f"p/{name}.pkl": pickle.dumps(named(host, name)(), 4) for name in CLASSES}
    return load(
        {
            "shapes_of_host.py": SHAPES,
            "others.py": "class Square: pass",
            **objects,
            "p/text.pkl": pickle.dumps("text"),
            "p/ordered.pkl": pickle.dumps(collections.OrderedDict(a=1)),
        },
        ["collections"],
    )


def named(module: types.ModuleType, name: str) -> type:
    found: object = module
    for part in name.split("."):
        found = getattr(found, part)
    assert isinstance(found, type)
    return found


@pytest.mark.parametrize(("name", "asked"), list(itertools.product(CLASSES, CLASSES)))
def test_a_class_of_the_host_stands_for_the_packed_one_of_its_name(importer, name: str, asked: str) -> None:
    host = importlib.import_module("shapes_of_host")
    packed = importer.import_module("shapes_of_host")
    is_one = issubclass(named(host, name), named(host, asked))
    for as_type in (named(host, asked), named(packed, asked)):
        if is_one:
            found = importer.load_pickle("p", f"{name}.pkl", as_type=as_type)
            assert type(found) is named(packed, name)
        else:
            with pytest.raises(ObjectTypeError):
                importer.load_pickle("p", f"{name}.pkl", as_type=as_type)


@pytest.mark.parametrize("as_type", [str, object, collections.abc.Sized])
def test_classes_that_both_have(importer, as_type: type) -> None:
    assert importer.load_pickle("p", "text.pkl", as_type=as_type) == "text"


def test_a_subclass_is_one_too(importer) -> None:
    assert importer.load_pickle("p", "ordered.pkl", as_type=dict) == {"a": 1}


def test_a_class_of_the_same_name_in_another_module_is_another(importer, monkeypatch) -> None:
    other = types.ModuleType("others")
    exec("class Square: pass", vars(other))
    with pytest.raises(ObjectTypeError):
        importer.load_pickle("p", "Square.pkl", as_type=other.Square)
    with pytest.raises(ObjectTypeError):
        importer.load_pickle("p", "Square.pkl", as_type=importer.import_module("others").Square)


def test_a_class_of_the_program_is_known_by_its_name_alone(importer) -> None:
    program = types.ModuleType("__main__")
    exec("class Square: pass", vars(program))
    assert importer.load_pickle("p", "RedSquare.pkl", as_type=program.Square) is not None
    with pytest.raises(ObjectTypeError):
        importer.load_pickle("p", "Red.pkl", as_type=program.Square)


def test_a_packed_class_stands_for_itself_alone(importer, load) -> None:
    other = load({"shapes_of_host.py": SHAPES}).import_module("shapes_of_host")
    with pytest.raises(ObjectTypeError):
        importer.load_pickle("p", "Square.pkl", as_type=other.Square)


def test_the_error_says_what_was_found(importer) -> None:
    with pytest.raises(TypeError) as caught:
        importer.load_pickle("p", "text.pkl", as_type=dict)
    assert isinstance(caught.value, HermpkgError)
    facts = dict(caught.value.facts)
    assert facts == {
        "file": importer.filename,
        "record": "p/text.pkl",
        "type": "builtins.str",
        "expected": "builtins.dict",
    }
    assert caught.value.next_step


VALUES: dict[str, object] = {
    "numbers": [1, 2],
    "mixed": [1, "two"],
    "nothing": [],
    "pair": (1, "two"),
    "many": (1, 2, 3),
    "by name": {"one": 1},
    "by number": {1: "one"},
    "nested": {"one": [1, None]},
    "set": {1},
    "none": None,
}
FORMS: dict[object, set[str]] = {
    list[int]: {"numbers", "nothing"},
    list[str]: {"nothing"},
    list[int | str]: {"numbers", "mixed", "nothing"},
    list[Any]: {"numbers", "mixed", "nothing"},
    typing.List[int]: {"numbers", "nothing"},  # noqa: UP006 -- what older code writes
    collections.abc.Iterable[int]: {"numbers", "nothing", "many", "by number", "set"},
    collections.abc.Sequence[int]: {"numbers", "nothing", "many"},
    tuple[int, str]: {"pair"},
    tuple[int, ...]: {"many"},
    tuple[int, int, int]: {"many"},
    dict[str, int]: {"by name"},
    dict[Any, str]: {"by number"},
    collections.abc.Mapping[str, typing.Union[int, list[int | None]]]: {"by name", "nested"},  # noqa: UP007
    dict[str, list[typing.Optional[int]]]: {"nested"},  # noqa: UP045
    set[int]: {"set"},
    type(None): {"none"},
}


@pytest.mark.parametrize("form", FORMS, ids=repr)
def test_what_is_in_containers_is_compared(load, form) -> None:
    importer = load({f"p/{name}.pkl": pickle.dumps(value, 4) for name, value in VALUES.items()})
    for name in FORMS[form]:
        assert importer.load_pickle("p", f"{name}.pkl", as_type=form) == VALUES[name]
    for name in VALUES.keys() - FORMS[form]:
        with pytest.raises(ObjectTypeError):
            importer.load_pickle("p", f"{name}.pkl", as_type=form)


def test_packed_objects_in_containers(importer, load) -> None:
    host = importlib.import_module("shapes_of_host")
    squares = {"p/all.pkl": pickle.dumps({"a": [host.Square(), host.RedSquare()]}, 4)}
    packed = load({"shapes_of_host.py": SHAPES, **squares})
    assert packed.load_pickle("p", "all.pkl", as_type=dict[str, list[host.Square]])
    with pytest.raises(ObjectTypeError) as caught:
        packed.load_pickle("p", "all.pkl", as_type=dict[str, list[host.Red]])
    assert dict(caught.value.facts)["in"] == "['a'][0]"


@pytest.mark.parametrize(
    "as_type",
    ["Square", int | str, (int, str), Unchecked, 3, list[typing.ForwardRef("Square")], dict[str, Unchecked]],
)
def test_what_is_no_class_is_refused_before_anything_is_loaded(importer, as_type: object) -> None:
    with pytest.raises(TypeError, match="as_type must be a class"):
        importer.load_pickle("p", "there is no such record", as_type=as_type)
