"""Batches of plain objects, and the extension, write objects as they are written one by one."""

from __future__ import annotations

import copyreg
import pickle
from collections import OrderedDict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.extension import Choice
from hermpkg_build.pickles import canonical, graph_writer, output
from hermpkg_build.pickles.canonical import pickle_canonically
from hermpkg_build.pickles.graph_writer import GraphWriter
from hermpkg_build.pickles.output import Output
from hermpkg_build.pickles.plain_classes import is_plain_class
from hermpkg_build.pickles.plain_parts import Parts, PlainParts
from hermpkg_build.pickles.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

pytestmark = pytest.mark.usefixtures("writer")


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
        patch.setattr(canonical, "choose", lambda: Choice(None, "in Python"))
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

    def inside(self: PlainParts, kind: type, found: Any, lists: int, parts: Parts) -> Any:
        nonlocal visits
        visits += len(found)
        return inside_of_parts(self, kind, found, lists, parts)

    inside_of_parts = PlainParts._inside
    shared = rows(2000)
    doubled: Any = []
    for _ in range(60):
        doubled = [doubled, doubled]
    graph = [[shared, doubled, number] for number in range(5000)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PlainParts, "_inside", inside)
        data = pickle_canonically(graph).data
    assert visits < 200_000
    assert data == written_one_by_one(graph, 3)


def test_batches_that_are_not_plain_are_tried_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    tries = 0

    def of(self: PlainParts, children: list[Any]) -> None:
        nonlocal tries
        tries += 1

    monkeypatch.setattr(PlainParts, "of", of)
    pickle_canonically([b"%d" % number for number in range(100_000)])
    assert tries < 20


class Asked:
    """Its code runs while it is pickled."""

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer

    def __reduce__(self) -> Any:
        return Plain, (), {"answer": self.answer()}


PARTS: dict[str, Callable[[int], Any]] = {
    "dict": lambda number: {"number": number},
    "list": lambda number: [number, "b"],
    "tuple": lambda number: (number, [], "b"),
    "tuple by value": lambda number: (number, "b"),
    "instance": lambda number: Plain(number=number),
    "in a dict": lambda number: {"in": [number]},
    "in an instance": lambda number: Plain(inner=[number]),
}


def graph_with(part: str, answer: Callable[[list[Any]], Any]) -> Any:
    """Objects of which most are written in batches, with code that runs while others are pickled."""
    made = [PARTS[part](number) for number in range(2500)]
    last = {"name": [made[2100]], "again": made[7]}
    return [made, Asked(lambda: answer(made)), [PARTS[part](-number) for number in range(900)], last]


def referred_to(part: str, obj: Any) -> Any:
    if part == "in a dict":
        return obj["in"]
    return vars(obj)["inner"] if part == "in an instance" else obj


@pytest.mark.parametrize("part", PARTS)
def test_code_that_runs_later_may_refer_to_what_only_its_parent_referred_to(part: str) -> None:
    def answer(made: list[Any]) -> Any:
        return [referred_to(part, obj) for obj in made[1200:0:-300]]

    data = pickle_canonically(graph_with(part, answer)).data
    assert data == written_one_by_one(graph_with(part, answer), 3)
    loaded = pickle.loads(data)
    expected = [referred_to(part, obj) for obj in loaded[0][1200:0:-300]]
    found = loaded[1].answer
    assert all(one is other for one, other in zip(found, expected, strict=True))


def test_code_that_runs_later_may_refer_to_the_attributes_of_an_instance() -> None:
    def answer(made: list[Any]) -> Any:
        return [vars(obj) for obj in made[::400]]

    data = pickle_canonically(graph_with("instance", answer)).data
    assert data == written_one_by_one(graph_with("instance", answer), 3)


@pytest.mark.parametrize("part", ["dict", "list", "instance", "in a dict"])
def test_code_that_runs_later_may_change_and_move_what_was_written(part: str) -> None:
    """What was written stands as it was then; what refers to it finds it."""

    def answer(made: list[Any]) -> Any:
        moved = made[300]
        for obj in made[:2000]:
            inner = vars(obj) if isinstance(obj, Plain) else obj
            inner.clear()
        del made[:1000]
        return [moved, "b", {"number": 1, "in": 2}, [PARTS[part](number) for number in range(700)]]

    data = pickle_canonically(graph_with(part, answer)).data
    assert data == written_one_by_one(graph_with(part, answer), 3)


@pytest.mark.parametrize("asked", ["resolve_global", "persistent_id"])
def test_the_code_may_be_that_of_names_and_persistent_ids(asked: str) -> None:
    def written() -> bytes:
        made = [{"number": number, "text": f"t{number}"} for number in range(2500)]
        taken: list[Any] = []

        def resolve_global(obj: Any, module: str, name: str) -> tuple[str, str]:
            taken.append(made[900])
            made[5].clear()
            return module, name

        def persistent_id(obj: Any) -> Any:
            made[5].clear()
            return [made[900]] if type(obj) is Plain else None

        options: dict[str, Any] = {"resolve_global": resolve_global, "persistent_id": persistent_id}
        graph = [made, Plain(), taken, "t5", "t6"]
        return pickle_canonically(graph, **{asked: options[asked]}).data

    data = written()
    with one_by_one():
        assert written() == data


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_strings_get_their_numbers_in_the_order_of_the_pickle(protocol: int) -> None:
    """However deep they stand, and whether they are keys or values."""
    graph = [
        {f"k{n % 70}": [n, [f"v{n % 90}"]], "at": f"k{n % 50}", "n": (n, f"v{n % 130}")} for n in range(3000)
    ]
    assert pickle_canonically(graph, protocol=protocol).data == written_one_by_one(graph, protocol)


NUMBERS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats())
WORDS = st.one_of(st.sampled_from(["a", "name", "\ud800", "x" * 300]), st.text())


@st.composite
def tables(draw: st.DrawFn) -> dict[str, Any]:
    """Strings to numbers, which may share strings with other tables, and have another value among them."""
    numbers = draw(st.lists(NUMBERS, min_size=1, max_size=8))
    first, count = draw(st.tuples(st.integers(0, 3), st.integers(48, 120)))
    made = {f"word {first * 60 + number}": numbers[number % len(numbers)] for number in range(count)}
    return {**made, **draw(st.dictionaries(WORDS, st.one_of(NUMBERS, NUMBERS, WORDS), max_size=3))}


OF_WORDS = st.one_of(
    tables(),
    tables().map(list),
    tables().map(lambda table: list(table.items())),
    tables().map(lambda table: Plain(**table)),
    st.lists(WORDS, max_size=3).map(tuple),
    st.just(Plain),
)


@settings(max_examples=150, deadline=None)
@given(graph=st.lists(OF_WORDS, min_size=1, max_size=8), protocol=st.sampled_from([3, 4, 5]))
def test_tables_of_words_are_written_as_one_by_one(graph: list[Any], protocol: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "_SMALLEST_APART", 90)
        data = pickle_canonically(graph, protocol=protocol).data
    assert data == written_one_by_one(graph, protocol)


@pytest.mark.parametrize("protocol", [3, 4, 5])
def test_names_of_classes_may_be_words_of_a_table(protocol: int) -> None:
    graph = [dict.fromkeys([*map(str, range(5_000)), Plain.__module__, "Plain"], 1), Plain]
    assert pickle_canonically(graph, protocol=protocol).data == written_one_by_one(graph, protocol)


def test_code_that_runs_later_may_change_a_table_that_was_written() -> None:
    def made() -> list[Any]:
        words = {f"word {number}": number for number in range(9_000)}

        def answer() -> list[str]:
            words.clear()
            words.update(new=1, other=2)
            return ["word 8000", "new", "word 2"]

        return [words, Asked(answer), [f"word {number}" for number in range(0, 10_000, 7)], "other"]

    assert pickle_canonically(made()).data == written_one_by_one(made(), 3)


def test_a_table_is_written_at_once_whatever_was_written_before() -> None:
    graph = [{f"{name} {number}": number for number in range(6_000)} for name in "abcdefg"]
    assert pieces(graph) < 50


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


class Attributes(dict[str, Any]):
    """Holds the attributes of an instance."""


@pytest.mark.parametrize("kind", [Attributes, OrderedDict])
def test_attributes_in_a_dict_of_another_class_are_no_plain_ones(kind: Any) -> None:
    graph = [Plain(number=number) for number in range(2000)]
    for obj in graph[1700:1702]:
        obj.__dict__ = kind(number=1)
    pickled = pickle_canonically(graph)
    assert pickled.data == written_one_by_one(graph, 3)
    assert kind.__name__ in [found.name for found in pickled.globals]


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
