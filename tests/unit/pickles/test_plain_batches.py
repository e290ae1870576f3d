"""Batches of plain objects are written as the same objects are one by one."""

from __future__ import annotations

import copyreg
import pickle
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.pickles import graph_writer
from hermpkg_build.pickles.canonical import pickle_canonically
from hermpkg_build.pickles.graph_writer import GraphWriter
from hermpkg_build.pickles.output import Output
from hermpkg_build.pickles.plain_classes import is_plain_class
from hermpkg_build.pickles.settings import Settings
from hermpkg_build.pickles.visitor import Visitor

if TYPE_CHECKING:
    from collections.abc import Iterator


class Plain:
    """An instance is its attributes."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Derived(Plain):
    """So is one of a subclass."""


class Pair(NamedTuple):
    left: Any
    right: Any


@contextmanager
def one_by_one() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(graph_writer, "SMALLEST", 1 << 60)
        yield


def written_one_by_one(obj: Any, protocol: int) -> bytes:
    with one_by_one():
        return pickle_canonically(obj, protocol=protocol).data


def pieces(obj: Any) -> int:
    """How many pieces the pickle of `obj` is made of."""
    out = Output(3)
    GraphWriter(Settings(protocol=3, name="obj"), out, None, {}).dump(obj)
    return len(out.pieces)


TEXTS = st.one_of(st.sampled_from(["a", "b", "name", "value", "\ud800", "é" * 300]), st.text())
ATOMS = st.one_of(
    TEXTS,
    st.none(),
    st.booleans(),
    st.integers(),
    st.integers(min_value=-(1 << 40), max_value=1 << 40),
    st.floats(),
)
OTHERS = st.one_of(
    ATOMS,
    st.binary(max_size=4),
    st.builds(lambda: Plain),
    st.sets(st.integers(max_value=9), max_size=3),
    st.builds(complex, st.integers(max_value=3)),
    st.builds(Pair, TEXTS, ATOMS),
)


def instances(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    attributes = st.dictionaries(st.sampled_from(["a", "name", "_x"]), parts, max_size=3)
    return st.builds(lambda kind, found: kind(**found), st.sampled_from([Plain, Derived]), attributes)


def containers(parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(parts, max_size=5),
        st.dictionaries(TEXTS, parts, max_size=4),
        st.lists(parts, max_size=5).map(tuple),
        instances(parts),
    )


def graphs(leaves: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Few objects that stand many times, in lists and dicts that are long enough for batches."""
    few = st.lists(st.recursive(leaves, containers, max_leaves=6), min_size=1, max_size=12)
    return few.flatmap(laid_out)


def laid_out(few: list[Any]) -> st.SearchStrategy[Any]:
    def copied(index: int) -> Any:
        """The same object, or a copy that shares nothing."""
        obj = few[index % len(few)]
        return obj if index % 3 == 0 else pickle.loads(pickle.dumps(obj))

    def made(order: list[int]) -> Any:
        objs = [copied(index) for index in order for _ in range(12)]
        return [objs, dict(enumerate(objs[::-1])), tuple(objs), few]

    return st.lists(st.integers(max_value=99, min_value=0), min_size=8, max_size=20).map(made)


@pytest.mark.parametrize("leaves", [ATOMS, OTHERS], ids=["plain", "mixed"])
@settings(max_examples=25, deadline=None)
@given(data=st.data(), protocol=st.sampled_from([3, 4, 5]))
def test_batches_change_no_byte(leaves: st.SearchStrategy[Any], data: st.DataObject, protocol: int) -> None:
    graph = data.draw(graphs(leaves))
    assert pickle_canonically(graph, protocol=protocol).data == written_one_by_one(graph, protocol)


def rows(count: int) -> list[Any]:
    return [{"name": f"item {number}", "at": (number, 0.5), "of": [number, None]} for number in range(count)]


def things(count: int) -> list[Any]:
    return [Plain(name=f"item {number}", inner=Derived(value=number)) for number in range(count)]


def empty(count: int) -> list[Any]:
    return [[Plain(), [], {}, ()] for _ in range(count)]


@pytest.mark.parametrize("make", [rows, things, empty])
@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_what_is_in_a_batch_can_be_referred_to_later(make: Any, protocol: int) -> None:
    made = make(1200)
    parts = [list(vars(item).values()) if isinstance(item, Plain) else list(item) for item in made]
    graph = [made, made[::-7], parts[::3], [vars(item) for item in made[::5] if isinstance(item, Plain)]]
    data = pickle_canonically(graph, protocol=protocol).data
    assert data == written_one_by_one(graph, protocol)
    loaded = pickle.loads(data)
    assert all(one is other for one, other in zip(loaded[0][::-7], loaded[1], strict=True))


@pytest.mark.parametrize(
    "make",
    [
        rows,
        things,
        lambda count: [f"word {number}" for number in range(count)],
        lambda count: {f"word {number}": number for number in range(count)},
        lambda count: [(f"a{number}", f"b{number}") for number in range(count)],
        lambda count: {"rows": dict(enumerate(rows(count)))},
    ],
)
def test_plain_objects_are_written_many_at_once(make: Any) -> None:
    count = 6_000
    assert pieces(make(count)) < count / 2
    with one_by_one():
        assert pieces(make(count)) >= count


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_containers_and_strings_may_have_any_size(protocol: int) -> None:
    graph = [
        [[number] * 1001 for number in range(60)],
        [[f"{number}" * 20_000, number] for number in range(60)],
        [["\U0001f600" * (16_380 + number), number] for number in range(8)] * 2 + [[n] for n in range(60)],
        [{"key": list(range(70)), "text": "x" * number} for number in range(300)],
    ]
    data = pickle_canonically(graph, protocol=protocol).data
    assert data == written_one_by_one(graph, protocol)
    assert pickle.loads(data) == graph


def test_shared_and_nested_objects_cost_no_more_than_they_are() -> None:
    visits = 0

    class Counted(list[Any]):
        def append(self, obj: Any) -> None:
            nonlocal visits
            visits += 1
            super().append(obj)

    def visited(self: Visitor, children: list[Any]) -> list[Any]:
        found = of_visitor(self, children)
        nonlocal visits
        visits += len(found)
        return found

    of_visitor = Visitor.visited
    shared = rows(2000)
    doubled: Any = []
    for _ in range(60):
        doubled = [doubled, doubled]
    graph = [[shared, doubled, number] for number in range(5000)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Visitor, "visited", visited)
        data = pickle_canonically(graph).data
    assert visits < 200_000
    assert data == written_one_by_one(graph, 3)


def test_batches_that_are_not_plain_are_tried_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    def visited(self: Visitor, children: list[Any]) -> list[Any]:
        nonlocal tries
        tries += 1
        return []

    monkeypatch.setattr(Visitor, "visited", visited)
    pickle_canonically([b"%d" % number for number in range(100_000)])
    assert tries < 20


class Slots:
    __slots__ = ("a", "__dict__")  # noqa: RUF023


class State(Plain):
    def __getstate__(self) -> Any:
        return {"state": 1}


class Setter(Plain):
    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)


class Reducer(Plain):
    def __reduce__(self) -> Any:
        return Plain, ()


class Arguments(Plain):
    def __getnewargs__(self) -> Any:
        return (1,)


class Maker(Plain):
    def __new__(cls, **attributes: Any) -> Any:
        return super().__new__(cls)


class Says(Plain):
    __class__: Any = Plain


class Finds(Plain):
    def __getattr__(self, name: str) -> Any:
        raise AttributeError(name)


class Registered(Plain):
    pass


class Shows(Plain):
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return {}


class Unhashed(type):
    __hash__ = None  # type: ignore[assignment]

    def __eq__(cls, other: object) -> bool:
        return False


class OfUnhashed(metaclass=Unhashed):
    pass


@pytest.mark.parametrize(
    "kind",
    [Slots, State, Setter, Reducer, Arguments, Maker, Says, Finds, Shows, OfUnhashed, OrderedDict, Pair, int],
)
def test_classes_with_ways_of_their_own_are_not_plain(kind: Any) -> None:
    assert not is_plain_class(kind)


def test_ordinary_classes_are_plain() -> None:
    assert is_plain_class(Plain)
    assert is_plain_class(Derived)


@pytest.mark.parametrize("kind", [Slots, State, Setter, Reducer, Arguments, Maker, Finds, Registered])
def test_instances_with_ways_of_their_own_come_as_one_by_one(kind: Any) -> None:
    def made() -> Any:
        found = [kind() for _ in range(3000)]
        for number, obj in enumerate(found):
            obj.number = number
        return found

    copyreg.pickle(Registered, lambda obj: (Plain, (), {"of": obj.number}))
    try:
        graph = made()
        assert pickle_canonically(graph).data == written_one_by_one(graph, 3)
    finally:
        del copyreg.dispatch_table[Registered]


def own_reduction(*_: Any) -> Any:
    return dict, ((("own", 1),),)


def own_state() -> Any:
    return {"own": 1}


@pytest.mark.parametrize("name", ["__reduce_ex__", "__reduce__", "__getstate__"])
def test_an_instance_with_a_way_of_its_own_is_no_plain_one(name: str) -> None:
    graph = [Plain(number=number) for number in range(2000)]
    setattr(graph[1700], name, own_reduction if "reduce" in name else own_state)
    assert pickle_canonically(graph).data == written_one_by_one(graph, 3)


def test_persistent_ids_and_overrides_are_asked_for_each_instance() -> None:
    graph = things(3000)
    chosen = graph[2500]
    for asked in ("persistent_id", "reduce_override"):
        answer: Any = "chosen" if asked == "persistent_id" else (dict, ())
        other = None if asked == "persistent_id" else NotImplemented
        options: Any = {asked: lambda obj, answer=answer, other=other: answer if obj is chosen else other}
        data = pickle_canonically(graph, **options).data
        with one_by_one():
            assert pickle_canonically(graph, **options).data == data
        assert data != pickle_canonically(graph).data
