"""Canonical pickles of everything that is not torch's."""

from __future__ import annotations

import collections
import copyreg
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import gc
import math
import os
import pathlib
import pickle
import pickletools
import re
import subprocess
import sys
import threading
import types
import uuid
import weakref
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from hermpkg_build.core.collection_pause import paused_collection
from hermpkg_build.pickles.canonical import pickle_canonically
from hermpkg_build.pickles.path_of_failure import UnpicklableError
from hermpkg_build.pickles.pickled import GlobalReference

PROTOCOLS = [3, 4, 5]

pytestmark = pytest.mark.usefixtures("writer")


def dump(obj: Any, protocol: int = 3, **options: Any) -> bytes:
    return pickle_canonically(obj, protocol=protocol, **options).data


class Thing:
    """Hashed by identity, equal to itself alone."""

    def __init__(self, **attributes: Any) -> None:
        self.__dict__.update(attributes)


class Outer:
    class Inner:
        class Innermost:
            pass


class Colour(enum.Enum):
    RED = "red"


class Access(enum.Flag):
    READ = 1
    WRITE = 2


class Point(NamedTuple):
    x: int
    y: Any


@dataclasses.dataclass(frozen=True, slots=True)
class Frozen:
    left: Any
    right: Any = None


class Slotted:
    __slots__ = {"b", "a", "c"}  # noqa: RUF023


class Versioned:
    """Has a state of its own kind, and takes it back."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __getstate__(self) -> Any:
        return ["state", self.value]

    def __setstate__(self, state: Any) -> None:
        _, self.value = state


class Keyword:
    """Needs keyword arguments to be made."""

    def __new__(cls, *, size: int) -> Any:
        made = super().__new__(cls)
        made.size = size
        return made

    def __getnewargs_ex__(self) -> Any:
        return (), {"size": self.size}


class Text(str):
    """A string with an attribute."""

    __slots__ = ("note",)


class Team(set):
    """A set with a name."""


class Numbers(list):
    """A list with a name."""


def set_total(obj: Any, state: Any) -> None:
    obj.total = state


class Summed:
    """Sets its state by a function."""

    def __reduce__(self) -> Any:
        return Summed, (), self.total, None, None, set_total


def round_trip(obj: Any, protocol: int) -> Any:
    return pickle.loads(dump(obj, protocol))


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        255,
        256,
        65535,
        65536,
        2**31 - 1,
        -(2**31),
        2**31,
        -(2**63),
        1 << 2039,
        -(1 << 2039),
        1 << 2040,
        1 << 5000,
        0.1,
        -0.0,
        math.inf,
        1 + 2j,
        "",
        "é\ud800\n",
        "x" * 300,
        b"",
        b"y" * 300,
        b"z" * 70_000,
        bytearray(b"changeable"),
        (),
        (1,),
        (1, 2, 3, 4),
        [],
        {},
        set(),
        frozenset(),
        {1, "one", (1, 1.5), frozenset({b"x"})},
        frozenset({(frozenset({1}), 2)}),
        ...,
        NotImplemented,
        range(1, 10, 2),
        slice(1, None),
        int,
        type(None),
        type(...),
        Outer.Inner.Innermost,
        len,
        str.upper,
        [].append,
        dict.fromkeys,
        Colour.RED,
        Access.READ | Access.WRITE,
        Point(1, "y"),
        Frozen(1, [2]),
        decimal.Decimal("1.10"),
        fractions.Fraction(1, 3),
        datetime.datetime(2020, 1, 2, tzinfo=datetime.timezone.utc),
        uuid.UUID(int=5),
        pathlib.PurePosixPath("a/b"),
        re.compile("a+", re.IGNORECASE),
        collections.OrderedDict(b=1, a=2),
        collections.Counter("aab"),
        collections.defaultdict(list, {"a": [1]}),
        collections.deque([1, 2, 3], maxlen=3),
        SimpleNamespace(a=1),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_comes_back_equal_and_of_its_type(value: Any, protocol: int) -> None:
    loaded = round_trip(value, protocol)
    assert type(loaded) is type(value)
    if callable(value) and getattr(value, "__self__", None) == []:
        assert loaded.__name__ == "append"
    else:
        assert loaded == value
    assert dump(loaded, protocol) == dump(value, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_second_of_two_equal_times_comes_back_as_that(protocol: int) -> None:
    for value in (datetime.time(2, 30, fold=1), datetime.datetime(2020, 10, 25, 2, 30, fold=1)):
        loaded = round_trip(value, protocol)
        assert (loaded, loaded.fold) == (value, 1)


PATTERNS = """
import hashlib, pickle, sys
import {library} as library
from hermpkg_build.pickles.canonical import pickle_canonically
first = library.compile(r"(?P<word>[abc]+)|\\L<names>", library.IGNORECASE, names=["b", "a", "cd"])
second = library.compile(rb"'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\d\\w]?+\\w+|\\d{{1,3}}", library.ASCII)
data = pickle_canonically([first, second, first]).data
one, two, again = pickle.loads(data)
assert one is again
assert (one.pattern, one.flags, one.named_lists) == (first.pattern, first.flags, first.named_lists)
assert (two.pattern, two.flags) == (second.pattern, second.flags)
print(hashlib.sha256(data).hexdigest())
"""
LIBRARY = """
import copyreg
IGNORECASE, ASCII = 2, 256

class Compiled:
    def __init__(self, pattern, flags, named_lists):
        self.pattern, self.flags, self.named_lists = pattern, flags | 1, named_lists
        self.groups, self.groupindex = 0, {}
        self.code = hash(str(pattern))

def compile(pattern, flags=0, **named_lists):
    return Compiled(pattern, flags, {name: frozenset(words) for name, words in named_lists.items()})

def of_code(*parts):
    raise AssertionError

copyreg.pickle(Compiled, lambda obj: (of_code, (obj.pattern, obj.code)))
"""


@pytest.mark.parametrize("library", ["regex", "patterns_of_another_library"])
def test_compiled_patterns_of_any_library_are_known_by_their_text(library: str, tmp_path: Any) -> None:
    if library == "regex":
        pytest.importorskip("regex")
    (tmp_path / "patterns_of_another_library.py").write_text(LIBRARY)
    digests = {
        subprocess.check_output(
            [sys.executable, "-c", PATTERNS.format(library=library)],
            env={**os.environ, "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(tmp_path)},
        )
        for seed in (1, 2)
    }
    assert len(digests) == 1


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_objects_with_their_own_ways_come_back(protocol: int) -> None:
    slotted = Slotted()
    slotted.a, slotted.b = 1, [2]
    summed = Summed()
    summed.total = 7
    text = Text("abc")
    text.note = "n"
    team = Team("xy")
    team.name = "t"
    numbers = Numbers([1, 2])
    numbers.name = "n"
    state = [
        slotted,
        Versioned(3),
        Keyword(size=4),
        summed,
        text,
        team,
        numbers,
        functools.partial(int, base=2),
    ]
    slotted, versioned, keyword, summed, text, team, numbers, partial = round_trip(state, protocol)
    assert (slotted.a, slotted.b) == (1, [2])
    assert not hasattr(slotted, "c")
    assert versioned.value == 3
    assert keyword.size == 4
    assert summed.total == 7
    assert (text, text.note) == ("abc", "n")
    assert (team, team.name) == ({"x", "y"}, "t")
    assert (numbers, numbers.name) == ([1, 2], "n")
    assert partial("101") == 5


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_of_the_standard_library_are_those_of_every_version(
    protocol: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    part: Any = types.ModuleType("json._parts")
    exec("class Public: pass\nclass Own: pass", vars(part))
    monkeypatch.setitem(sys.modules, "json._parts", part)
    monkeypatch.setattr("json.Public", part.Public, raising=False)
    names = pickle_canonically([part.Public, part.Own, pathlib.PurePosixPath], protocol=protocol).globals
    assert set(names) == {
        GlobalReference("json", "Public"),
        GlobalReference("json._parts", "Own"),
        GlobalReference("pathlib", "PurePosixPath"),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_says_that_it_is_a_class_comes_back(protocol: int) -> None:
    class Says:
        __class__: Any = type

        def __reduce__(self) -> Any:
            return len, ("four",)

    assert round_trip([list[int], dict[str, Any], int | str, Says()], protocol) == [
        list[int],
        dict[str, Any],
        int | str,
        4,
    ]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_reducer_registered_for_a_type_is_used(protocol: int) -> None:
    class_of = weakref.ref
    copyreg.pickle(class_of, lambda reference: (str, ("a reference",)))
    thing = Thing()
    try:
        assert round_trip([weakref.ref(thing)], protocol) == ["a reference"]
    finally:
        del copyreg.dispatch_table[class_of]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_aliasing_and_cycles_are_kept(protocol: int) -> None:
    shared: list[Any] = []
    thing = Thing(shared=shared, twice=(shared, shared))
    thing.itself = thing
    thing.members = {thing}
    thing.fixed = frozenset([thing])
    thing.pair = (thing, [thing])
    loop: tuple[Any, ...] = ([],)
    loop[0].append(loop)
    thing.loop = loop
    long_loop: tuple[Any, ...] = ([], 1, 2, 3, 4)
    long_loop[0].append(long_loop)
    thing.long_loop = long_loop
    loaded = round_trip(thing, protocol)
    assert loaded.itself is loaded
    assert loaded.members == {loaded}
    assert loaded.fixed == frozenset([loaded])
    assert loaded.pair[0] is loaded.pair[1][0] is loaded
    assert loaded.shared is loaded.twice[0] is loaded.twice[1]
    assert loaded.loop[0][0] is loaded.loop
    assert loaded.long_loop[0][0] is loaded.long_loop


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_equal_lists_stay_two_and_equal_atoms_are_told_by_value(protocol: int) -> None:
    text = "".join(["a", "b"])
    atoms = (1, "".join(["x", "y"]), (2.0, frozenset([b"z"])))
    again = (1, "".join(["x", "y"]), (2.0, frozenset([b"z"])))
    assert dump([text, text, atoms, atoms], protocol) == dump(["ab", text, atoms, again], protocol)
    assert dump([[1], [1]], protocol) != dump([[1]] * 2, protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True),
        (1, 1.0),
        (0.0, -0.0),
        ((1,), (True,)),
        ((0.0,), (-0.0,)),
        (((0.0,),), ((-0.0,),)),
        (frozenset([1]), frozenset([1.0])),
        (frozenset([(1,)]), frozenset([(True,)])),
        ("a", b"a"),
        (complex(0.0, -0.0), complex(0.0, 0.0)),
        ((), frozenset()),
        (((1,),), (frozenset([1]),)),
    ],
)
def test_atoms_that_compare_equal_are_not_confused(one: Any, other: Any, protocol: int) -> None:
    loaded = round_trip([one, other, one, other], protocol)
    assert list(map(repr, loaded)) == list(map(repr, [one, other, one, other]))
    assert dump([one, one], protocol) != dump([one, other], protocol)


def test_every_nan_keeps_its_bits_and_no_other_difference_counts() -> None:
    nan = float("nan")
    assert dump((nan, nan)) == dump((float("nan"), -float("-nan")))
    assert dump({(nan,): 1}) == dump({(float("nan"),): 1})


def test_the_order_of_a_dict_is_data_and_that_of_a_set_is_not() -> None:
    assert dump({"a": 1, "b": 2}) != dump({"b": 2, "a": 1})
    ordered = [f"w{number}" for number in range(50)]
    backwards = ordered[::-1]
    assert dump(set(ordered)) == dump(set(backwards))
    assert pickle.loads(dump(Team(ordered))) == set(ordered)
    assert dump(Team(ordered)) == dump(Team(backwards))
    assert dump(iter(set(ordered))) == dump(iter(set(backwards)))
    assert sorted(pickle.loads(dump(iter(set(ordered))))) == sorted(ordered)


def test_a_set_is_ordered_by_type_then_value() -> None:
    data = dump({"b", "a", 10, 9, b"x", None, 2.5, -2.5, (2, "z"), (2, "y")})
    opcodes = [argument for _, argument, _ in pickletools.genops(data) if argument is not None]
    atoms = [argument for argument in opcodes if argument in ("a", "b", 9, 10, b"x", 2.5, -2.5, "y", "z")]
    assert atoms == [b"x", -2.5, 2.5, 9, 10, "a", "b", "y", "z"]


class Counting:
    """Changes whenever it is asked for its state."""

    def __init__(self) -> None:
        self.asked = 0

    def __getstate__(self) -> Any:
        self.asked += 1
        return {"asked": self.asked}


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_object_is_asked_once_also_where_a_set_needs_an_order(protocol: int) -> None:
    counting = [Counting(), Counting(), Counting()]
    loaded = round_trip([*counting, {*counting}, Team(counting)], protocol)
    assert [each.asked for each in counting] == [1, 1, 1]
    assert [each.asked for each in loaded[:3]] == [1, 1, 1]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_slots_have_an_order_even_if_the_class_gives_them_none(protocol: int) -> None:
    slotted = Slotted()
    slotted.c, slotted.a, slotted.b = "3", "1", "2"
    texts = [argument for _, argument, _ in pickletools.genops(dump(slotted, protocol))]
    places = [texts.index(name) for name in "abc"]
    assert places == sorted(places)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_set_elements_alike_in_themselves_are_ordered_by_what_refers_to_them(protocol: int) -> None:
    def graph(order: list[int]) -> Any:
        # The address of an object decides its hash, so the order of creation stands for chance.
        things: dict[int, Thing] = {}
        keep = []
        for number in order:
            keep.append(bytearray(number * 37))
            things[number] = Thing()
        first, second, third, fourth = (things[number] for number in range(4))
        return [set(things.values()), third, frozenset([first, second]), {"late": second}, {fourth, first}]

    expected = dump(graph([0, 1, 2, 3]), protocol)
    for order in ([3, 2, 1, 0], [1, 3, 0, 2], [2, 0, 3, 1]):
        assert dump(graph(order), protocol) == expected
    assert dump(pickle.loads(expected), protocol) == expected


def test_only_what_is_used_again_is_memoised() -> None:
    once = [opcode.name for opcode, _, _ in pickletools.genops(dump({"a": [1, (2, [3])], "b": Thing()}))]
    assert not [name for name in once if "PUT" in name or "MEMOIZE" in name]
    twice = [opcode.name for opcode, _, _ in pickletools.genops(dump(["a", "a", "b"]))]
    assert twice.count("BINPUT") == twice.count("BINGET") == 1


def test_many_references_use_wide_numbers() -> None:
    texts = [f"text {number}" for number in range(1000)]
    data = dump(texts + texts)
    assert pickle.loads(data) == texts + texts
    assert "LONG_BINGET" in {opcode.name for opcode, _, _ in pickletools.genops(data)}


def test_pickling_again_and_registered_extensions_change_nothing() -> None:
    value = [Thing(a=1), Thing]
    expected = dump(value)
    copyreg.add_extension(Thing.__module__, "Thing", 0x7F)
    try:
        assert dump(value) == dump(value) == expected
    finally:
        copyreg.remove_extension(Thing.__module__, "Thing", 0x7F)


@pytest.mark.parametrize(("protocol", "levels"), [(3, 20_000), (4, 100_000), (5, 20_000)])
def test_nesting_is_limited_by_memory_alone(protocol: int, levels: int) -> None:
    deep: Any = []
    deep_tuple: Any = ()
    chain: Any = None
    for _ in range(levels):
        deep = [deep]
        deep_tuple = (deep_tuple,)
        chain = {"next": chain}
    loaded = round_trip([deep, deep_tuple, chain], protocol)
    depth = 0
    here = loaded[0]
    while here:
        here = here[0]
        depth += 1
    assert depth == levels


def test_a_temporary_made_by_reduce_is_no_other_object() -> None:
    class_count = 2000
    things = [Temporaries(number) for number in range(class_count)]
    assert [thing.value for thing in round_trip(things, 3)] == [[number] for number in range(class_count)]


class Temporaries:
    """Reduces to a list that nobody else holds."""

    def __init__(self, number: Any) -> None:
        self.value = number if isinstance(number, list) else [number]

    def __reduce__(self) -> Any:
        return Temporaries, (list(self.value),)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_are_reported(protocol: int) -> None:
    pickled = pickle_canonically([Outer.Inner, Colour.RED, Thing, Thing()], protocol=protocol)
    names = {(reference.module, reference.name) for reference in pickled.globals}
    assert {(__name__, "Outer.Inner"), (__name__, "Colour"), (__name__, "Thing")} <= names
    assert list(pickled.globals) == sorted(set(pickled.globals))


def test_buffers_are_in_band() -> None:
    data = [pickle.PickleBuffer(b"fixed"), pickle.PickleBuffer(bytearray(b"open"))]
    assert round_trip(data, 5) == [b"fixed", bytearray(b"open")]


PADDED = [
    "g",
    "G",
    {"names": ["a", "b"], "formats": ["i1", "i4"], "aligned": True},
    {"names": ["a", "b"], "formats": ["i1", ([("c", "g")], (2,))], "offsets": [3, 16], "itemsize": 80},
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("kind", PADDED, ids=str)
def test_bytes_between_the_values_of_arrays_do_not_count(kind: Any, protocol: int) -> None:
    numpy = pytest.importorskip("numpy")
    dtype = numpy.dtype(kind, align=isinstance(kind, dict))
    dumped: dict[Any, set[bytes]] = {}
    for filling in (0, 0xAB):
        memory = numpy.full(6 * dtype.itemsize, filling, "u1")
        for order in "CF":
            array = numpy.ndarray((2, 3), dtype, memory, order=order)
            for part in [array[name] for name in dtype.names or ()] or [array]:
                part[...] = 3
            before = bytes(memory)
            masked = numpy.ma.array(array, mask=False)
            for form, value in enumerate([array, array[0, 0], array[:, 1:], masked]):
                data = dump(value, protocol)
                assert numpy.array_equal(pickle.loads(data), value)
                dumped.setdefault((order, form), set()).add(data)
            assert bytes(memory) == before
    assert [len(found) for found in dumped.values()] == [1] * 8


def test_numpy_arrays_and_scalars() -> None:
    numpy = pytest.importorskip("numpy")
    base = numpy.arange(12.0).reshape(3, 4)
    value = {
        "fortran": numpy.asfortranarray(base),
        "strided": base[:, ::2],
        "scalar": numpy.float32(1.5),
        "dtype": numpy.dtype([("a", "<i4"), ("b", ">f8")]),
        "objects": numpy.array([1, "two", None], dtype=object),
        "ufunc": numpy.add,
    }
    for protocol in PROTOCOLS:
        loaded = round_trip(value, protocol)
        assert numpy.array_equal(loaded["fortran"], base)
        assert loaded["fortran"].flags.f_contiguous
        assert numpy.array_equal(loaded["strided"], base[:, ::2])
        assert type(loaded["scalar"]) is numpy.float32
        assert loaded["dtype"] == value["dtype"]
        assert list(loaded["objects"]) == [1, "two", None]
        assert loaded["ufunc"] is numpy.add
        # An array that was strided comes back contiguous, which protocol 5 writes otherwise.
        del loaded["strided"]
        assert dump(loaded, protocol) == dump({k: v for k, v in value.items() if k != "strided"}, protocol)
    assert GlobalReference("numpy", "add") in pickle_canonically(numpy.add).globals


def test_persistent_ids_stand_for_objects() -> None:
    class Loader(pickle.Unpickler):
        def persistent_load(self, pid: Any) -> Any:
            return ("loaded", *pid)

    import io

    thing = Thing()
    data = dump([thing, {"again": thing}], persistent_id=lambda o: ("thing", 1) if o is thing else None)
    assert Loader(io.BytesIO(data)).load() == [("loaded", "thing", 1), {"again": ("loaded", "thing", 1)}]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_names_can_be_replaced(protocol: int) -> None:
    seen = []

    def resolve(obj: Any, module: str, name: str) -> tuple[str, str]:
        seen.append((obj, module, name))
        return ("collections", "OrderedDict") if obj is Thing else (module, name)

    data = dump([Thing, Outer.Inner], protocol, resolve_global=resolve)
    assert pickle.loads(data) == [collections.OrderedDict, Outer.Inner]
    assert seen == [(Thing, __name__, "Thing"), (Outer.Inner, __name__, "Outer.Inner")]


def test_reducing_can_be_overridden() -> None:
    def override(obj: Any) -> Any:
        return (list, ((1, 2),)) if isinstance(obj, threading.Event) else NotImplemented

    assert pickle.loads(dump([threading.Event(), Point(1, 2)], reduce_override=override)) == [[1, 2], (1, 2)]


def local_class() -> type:
    class Local:
        pass

    return Local


class Renamed:
    pass


OldRenamed = Renamed


class Renamed:  # type: ignore[no-redef]
    pass


class Endless:
    """Needs itself as an argument."""

    def __reduce__(self) -> Any:
        return Endless, (self,)


class Broken:
    """Fails to reduce."""

    def __reduce__(self) -> Any:
        raise ValueError("not today")


class Misshapen:
    """Reduces to nothing of use."""

    def __reduce__(self) -> Any:
        return (Misshapen,)


class Answers(type):
    """Its classes answer whatever they are asked, and raise what no attribute does."""

    def __getattr__(cls, name: str) -> Any:
        raise RuntimeError(name)


def local_class_that_answers() -> Any:
    class Local(metaclass=Answers):
        pass

    return Local


def with_hook() -> Any:
    return Thing(layer=[0, 1, Thing(hook=lambda: 1)])


@pytest.mark.parametrize(
    ("make", "path", "reason"),
    [
        (with_hook, "model.layer[2].hook", "a lambda cannot be imported by name (defined at"),
        (lambda: {"key": Thing(attr=threading.Lock())}, 'model["key"].attr', "a lock"),
        (lambda: {("a", 1): [threading.RLock()]}, "model[<tuple>][0]", "a lock"),
        (lambda: [local_class()], "model[0]", "defined inside the function local_class"),
        (lambda: [local_class_that_answers()], "model[0]", "defined inside the function local_class_that"),
        (lambda: [types.FunctionType], "model[0]", "module builtins has no function"),
        (
            lambda: Thing(made=local_class()()),
            "model.made.__class__",
            "defined inside the function local_class",
        ),
        (lambda: (x for x in ()), "model", "a generator"),
        (lambda: Thing(g=[(x for x in ())]), "model.g[0]", "a generator"),
        (lambda: Thing(m=math), "model.m", "a module"),
        (lambda: {1: open(__file__)}, "model[1]", "an open file"),  # noqa: SIM115
        (lambda: functools.partial(lambda: 1), "model.func", "a lambda"),
        (lambda: collections.OrderedDict(a=[threading.Lock()]), 'model["a"][0]', "a lock"),
        (lambda: collections.defaultdict(lambda: 1), "model.default_factory", "a lambda"),
        (lambda: Thing(bound=Thing(k=threading.Lock()).__init__), "model.bound.__self__.k", "a lock"),
        (lambda: Frozen(1, threading.Lock()), "model.__getstate__()[1]", "a lock"),
        (lambda: {Thing(lock=threading.Lock())}, "model<element Thing>.lock", "a lock"),
        (lambda: {Thing(lock=threading.Lock()), Thing()}, "model<element Thing>.lock", "a lock"),
        (lambda: [OldRenamed], "model[0]", "is now another object"),
        (lambda: [Broken()], "model[0]", "ValueError: not today"),
        (lambda: [Misshapen()], "model[0]", "a tuple of two to six items"),
        (lambda: Point(1, local_class()), "model[1]", "defined inside the function"),
    ],
)
def test_an_error_names_the_path_and_the_reason(make: Any, path: str, reason: str) -> None:
    with pytest.raises(UnpicklableError) as caught:
        pickle_canonically(make(), name="model")
    assert caught.value.path == path or caught.value.path.startswith(f"{path}.__self__")
    assert reason in caught.value.reason
    assert isinstance(caught.value, pickle.PicklingError)
    assert str(caught.value) == f"cannot pickle {caught.value.path}: {caught.value.reason}"


def test_the_error_itself_can_cross_processes() -> None:
    error = UnpicklableError("model.a", "a lock cannot be pickled")
    again = pickle.loads(pickle.dumps(error))
    assert (again.path, again.reason) == (error.path, error.reason)


def test_an_object_that_needs_itself_is_refused() -> None:
    with pytest.raises(UnpicklableError, match="needs the object itself") as caught:
        pickle_canonically([Endless()])
    assert len(caught.value.path) < 1000


def test_a_long_path_is_shortened() -> None:
    deep: Any = threading.Lock()
    for _ in range(100_000):
        deep = [deep]
    with pytest.raises(UnpicklableError) as caught:
        pickle_canonically(deep)
    assert caught.value.path.startswith("obj[0][0]")
    assert "more steps" in caught.value.path
    assert len(caught.value.path) < 200


@pytest.mark.parametrize("protocol", [0, 1, 2, 6, -1])
def test_other_protocols_are_refused(protocol: int) -> None:
    with pytest.raises(ValueError, match="protocol"):
        pickle_canonically([], protocol=protocol)


class Speaks:
    other: Any = None

    def say(self) -> str:
        return "class"

    def again(self) -> str:
        return "again"

    alias = again

    def __getattr__(self, name: str) -> Any:
        if name == "borrowed":
            return types.MethodType(borrowed, self)
        raise AttributeError(name)


class SpeaksMore(Speaks):
    def say(self) -> str:
        return "subclass"


def say(speaker: Speaks) -> str:
    return "object"


def borrowed(speaker: Speaks) -> str:
    return "borrowed"


def test_methods_come_back_as_they_are() -> None:
    speaker = SpeaksMore()
    methods = [speaker.say, speaker.alias, speaker.borrowed, SpeaksMore.mro, [].append]
    speaker.other = methods[:3]
    loaded = pickle.loads(dump([speaker, methods]))
    assert [method() for method in loaded[0].other] == ["subclass", "again", "borrowed"]
    assert [method.__name__ for method in loaded[1]] == ["say", "again", "borrowed", "mro", "append"]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        (say, "would come back as 'say' of its class"),
        (Speaks.say, "would come back as 'say' of its class"),
        (lambda speaker: "object", "has no '<lambda>'"),
        (test_methods_come_back_as_they_are, "has no 'test_methods_come_back_as_they_are'"),
    ],
)
def test_a_method_that_would_come_back_as_another_is_no_method_to_pickle(function: Any, reason: str) -> None:
    speaker = SpeaksMore()
    setattr(speaker, function.__name__, types.MethodType(function, speaker))
    with pytest.raises(UnpicklableError, match=reason):
        dump(speaker)
    with pytest.raises(UnpicklableError, match=reason):
        dump(types.MethodType(function, SpeaksMore()))


class Unwilling:
    def __reduce__(self):
        raise RuntimeError(f"{object()!r} is not for pickles")


def test_the_reason_names_no_address():
    with pytest.raises(
        UnpicklableError, match=r"cannot pickle obj\[0\]: RuntimeError: <object object> is not"
    ):
        pickle_canonically([Unwilling()])


def test_no_collection_is_needed_to_free_what_was_used() -> None:
    """A table of a million strings would stay until one, and that would look at all of them."""
    one, two = Thing(), Thing()
    graphs: list[Any] = [[{"a": [number, {}]} for number in range(200)], [{one, two}, [one], two]]
    for graph in graphs:
        pickle_canonically(graph)
        gc.collect()
        with paused_collection:
            pickle_canonically(graph)
            assert gc.collect() == 0


class Acting:
    """Pickled as a word; it does something meanwhile."""

    def __init__(self, act: Any) -> None:
        self._act = act

    def __reduce__(self) -> Any:
        self._act()
        return str, ("word",)


@pytest.mark.parametrize("around", [lambda each: each, lambda each: [each], lambda each: {"a": [each, each]}])
@pytest.mark.parametrize(
    ("before", "act", "after"),
    [
        ([], lambda one: one.append(2), ["word"]),
        ([], lambda one: one.clear(), ["word"]),
        ([1], lambda one: one.append(2), [1, "word", 2]),
        ([1], lambda one: one.clear(), [1, "word"]),
    ],
)
def test_a_list_that_changes_while_it_is_written_can_be_read(around, before, act, after) -> None:
    changing = [*before]
    changing.append(Acting(lambda: act(changing)))
    assert pickle.loads(pickle_canonically(around(changing)).data) == around(after)
