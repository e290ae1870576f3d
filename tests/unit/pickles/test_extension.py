"""The extension writes pickles as Python does, object by object."""

from __future__ import annotations

import gc
import pickle
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.extension import choose
from hermpkg_build.pickles import canonical, graph_writer
from hermpkg_build.pickles.canonical import pickle_canonically
from tests.fuzz.mutation.plain_graphs import Asked, Thing, graph_of, in_python, outcomes

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parents[3]
PROTOCOLS = [3, 4, 5]

pytestmark = pytest.mark.skipif(
    choose().extension is None, reason="make installs hermpkg-speed where there is a compiler"
)


def assert_written_alike(make: Callable[[], Any], protocol: int = 3) -> Any:
    """Hold what is written of `make()`, made anew each time, or what is wrong, to be the same; return it."""

    def outcome() -> Any:
        try:
            return pickle_canonically(make(), protocol=protocol)
        except Exception as error:
            return repr(error)

    found = outcome()
    with in_python(smallest=1 << 60):
        assert outcome() == found
    with in_python():
        assert outcome() == found
    return found


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=400), protocol=st.sampled_from(PROTOCOLS))
def test_random_graphs_are_the_same_pickles(data: bytes, protocol: int) -> None:
    first, *others = outcomes(graph_of(data), protocol)
    assert others == [first, first]


def test_random_bytes_make_graphs_of_everything() -> None:
    """The control: without these in the graphs, the law above would say nothing."""
    graphs = [graph_of(random.Random(number).randbytes(400)) for number in range(60)]
    written = b"".join(pickle_canonically(graph, protocol=4).data for graph in graphs)
    names = {opcode.name for graph in graphs for opcode in opcodes_of(graph)}
    assert {"LONG1", "BININT2", "BINBYTES", "SHORT_BINUNICODE", "BINFLOAT", "POP_MARK", "POP"} <= names
    assert {"TUPLE3", "APPEND", "APPENDS", "SETITEM", "SETITEMS", "LONG_BINPUT", "LONG_BINGET"} <= names
    assert {"NEWOBJ", "BUILD", "FROZENSET", "EMPTY_SET", "NONE", "NEWTRUE", "EMPTY_TUPLE"} <= names
    assert written.count("\ud800".encode("utf-8", "surrogatepass"))


def opcodes_of(graph: Any) -> list[Any]:
    import pickletools

    return [opcode for opcode, _, _ in pickletools.genops(pickle_canonically(graph, protocol=4).data)]


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(
    "make",
    [
        lambda: [sign * (1 << bits) + more for bits in range(70) for sign in (1, -1) for more in (-1, 0, 1)],
        lambda: [10**number for number in range(700)],
        lambda: (
            [text * count for text in ("a", "é", "\ud800") for count in (0, 1, 127, 128, 255, 256, 70_000)]
            * 2
        ),
        lambda: [bytes(count) for count in (0, 255, 256, 65_535, 65_536, 1 << 17)] * 2,
        lambda: [1, True, 1.0, 0.0, -0.0, 0, False, None, "1", b"1"] * 2,
        lambda: [(1,), (True,), (1.0,), (0.0,), (-0.0,), (0,), (None,), ("1",), (b"1",)] * 2,
        lambda: {1: True, 2.5: 1.0, None: (), (1, "a"): b"", "a": (1, "".join("a"))},
        lambda: [tuple(range(size)) for size in (1, 2, 3, 4, 5, 999, 1000, 1001)] * 2,
        lambda: [(number, (f"{number}", (b"%d" % number,))) for number in range(300)] * 2,
        lambda: [{"name": f"{number % 400}", "is": [number % 300]} for number in range(900)],
        lambda: [Thing(), Thing, Thing(), Thing(), Thing()],
    ],
)
def test_each_kind_of_value_is_written_as_python_does(make: Callable[[], Any], protocol: int) -> None:
    assert_written_alike(make, protocol)


def test_numbers_that_are_none_are_told_apart_by_their_bits() -> None:
    nans = [float("nan"), -float("nan")]
    pickled = assert_written_alike(lambda: [(number, 1) for number in nans * 3] + [(float("nan"), 1)])
    assert pickled.data.count(pickle.TUPLE2) == 2


def nested(levels: int, wrap: Callable[[Any], Any], innermost: Any = 1) -> Any:
    for _ in range(levels):
        innermost = wrap(innermost)
    return innermost


WRAPS: dict[str, Callable[[Any], Any]] = {
    "list": lambda part: [part],
    "dict": lambda part: {"in": part},
    "tuple of a value": lambda part: (part,),
    "tuple twice": lambda part: (part, part),
    "tuple of a list": lambda part: ([], part),
    "state": lambda part: with_part(Thing(), part),
    "own state": Asked,
    "all": lambda part: [{"in": (with_part(Thing(), part), [])}, 1],
}


def with_part(thing: Thing, part: Any) -> Thing:
    vars(thing)["part"] = part
    return thing


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize("levels", [3, 15, 16, 17, 60])
def test_however_deep_it_is_nested(wrap: str, levels: int) -> None:
    made = nested(levels, WRAPS[wrap])
    assert_written_alike(lambda: [made, made, nested(levels, WRAPS[wrap])])


@pytest.mark.parametrize("wrap", ["list", "tuple of a value", "tuple of a list", "state"])
def test_depth_needs_no_stack(wrap: str) -> None:
    made = nested(100_000, WRAPS[wrap])
    data = pickle_canonically(made).data
    with in_python():
        assert pickle_canonically(made).data == data
    while made:  # Freed from outside, so that nothing is freed within something else.
        made = vars(made).pop("part", None) if type(made) is Thing else None if made == 1 else made[-1]


@pytest.mark.parametrize("wrap", WRAPS)
def test_too_deep_is_an_error_at_the_same_place(wrap: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canonical, "DEEPEST", 9)
    monkeypatch.setattr(graph_writer, "DEEPEST", 9)
    told = [assert_written_alike(lambda n=n: nested(n, WRAPS[wrap])) for n in range(1, 25)]
    assert type(told[0]) is not str
    assert "the graph is more than 9 levels deep" in told[-1]


@pytest.mark.parametrize("wrap", WRAPS)
@pytest.mark.parametrize(
    "bad", [lambda: 1, sys, (n for n in ()), Asked(lambda: 1)], ids=["lambda", "module", "generator", "state"]
)
def test_what_cannot_be_pickled_is_told_with_the_same_path(wrap: str, bad: Any) -> None:
    told = assert_written_alike(lambda: ["a", nested(4, WRAPS[wrap], bad), {"b": Thing()}])
    assert "cannot pickle obj[1]" in told


def test_the_path_leads_through_attributes_of_instances() -> None:
    told = assert_written_alike(
        lambda: [with_part(Thing(), {"x": [number, lambda: 1]}) for number in range(5)][3:]
    )
    assert "cannot pickle obj[0].part['x'][1]:" in told.replace('"x"', "'x'")
    things = [Thing() for _ in range(9)]
    with_part(things[7], [0, (1, sys)])
    assert "obj[7].part[1][1]:" in assert_written_alike(lambda: things)


class Acting:
    """It does something while it is pickled."""

    def __init__(self, act: Callable[[], Any]) -> None:
        self.act = act

    def __reduce__(self) -> Any:
        self.act()
        return Thing, ()


def changed(kind: str) -> Any:
    whole: Any = [0, 1, 2]
    later = [whole, "later"]
    acts: dict[str, Callable[[], Any]] = {
        "list grows": lambda: whole.append("new"),
        "list shrinks": whole.clear,
        "list moves": lambda: whole.insert(0, later),
        "dict grows": lambda: table.update(new=1),
        "dict shrinks": table_clear,
        "dict has other values": lambda: table.update(a=later, z=later),
        "attributes change": lambda: vars(thing).update(z=later),
        "attributes are others": lambda: setattr(thing, "__dict__", {"q": 1}),
        "nothing is left": lambda: [whole.clear(), thing.__dict__.clear(), gc.collect()],
    }
    table: dict[str, Any] = {"a": 1, "b": Acting(acts["list grows"]), "z": [3]}
    thing = Thing()
    del acts["dict shrinks"]
    acts["dict shrinks"] = table.clear
    acting = Acting(acts[kind])
    table["b"] = acting
    vars(thing).update(first=1, acting=acting, z=[2])
    whole += [acting, thing, [4], table]
    return [Thing(), Thing(), Thing(), whole, later, {"table": table, "again": whole}]


def table_clear() -> None:
    """Stand for the method of a table that is made later."""


CHANGES = ["list grows", "list shrinks", "list moves", "dict grows", "dict shrinks", "dict has other values"]
CHANGES += ["attributes change", "attributes are others", "nothing is left"]


@pytest.mark.parametrize("kind", CHANGES)
def test_code_that_runs_meanwhile_may_change_what_is_open(kind: str) -> None:
    assert_written_alike(lambda: changed(kind))


def test_what_was_written_lives_as_long_as_the_pickle() -> None:
    """Else another object could get its place in memory, and be taken for it."""

    def made() -> Any:
        rows: list[Any] = [[{"n": number}, (number, []), f"{number}"] for number in range(500)]
        return [
            rows,
            Acting(rows.clear),
            Acting(gc.collect),
            [[{"n": -number}, (number, [])] for number in range(500)],
        ]

    assert_written_alike(made)


class TextOfItsOwn(str):
    """A string of another class."""

    __slots__ = ()


def test_names_may_be_strings_of_another_class() -> None:
    def resolve(_: Any, module: str, name: str) -> tuple[str, str]:
        return TextOfItsOwn(module), TextOfItsOwn(name)

    graph = [Thing, "Thing", Thing.__module__, Thing]
    for protocol in PROTOCOLS:
        data = pickle_canonically(graph, protocol=protocol, resolve_global=resolve).data
        assert pickle.loads(data) == graph
        with in_python():
            assert pickle_canonically(graph, protocol=protocol, resolve_global=resolve).data == data


ENCODERS: dict[type, Callable[[Any], bytes]] = {int: lambda _: b"", str: lambda _: b"", bytes: lambda _: b"C"}


def written(graph: Any, protocol: int = 3) -> bytes:
    import hermpkg_speed

    started = hermpkg_speed.Pickle(protocol, 1000, ENCODERS)
    assert not list(started.fill((graph,), b"."))
    return started.finish()[0]


GRAPH = [{"a": (1, "b", 2.0), "c": [b"d", ([],)]}, "a", (1, "b", 2.0), {}, [f"{n}" for n in range(200)] * 2]


def test_nothing_is_kept() -> None:
    graph = [GRAPH, Thing(), Thing()]

    def write() -> int:
        for _ in range(50):
            pickle_canonically(graph)
        gc.collect()
        return sys.getallocatedblocks()

    write()
    assert write() - write() < 50


def test_a_walk_may_be_dropped_anywhere() -> None:
    import hermpkg_speed

    obj = object()
    before = sys.getrefcount(obj)
    for count in range(4):
        started = hermpkg_speed.Pickle(3, 1000, ENCODERS)
        walk = started.fill(([{"a": (obj, [obj])}, obj], obj), b"")
        assert [next(walk) for _ in range(count)] == [obj] * count
        assert len(walk.opened()) == (0, 3, 4, 1)[count]
    del walk, started
    assert sys.getrefcount(obj) == before


def test_a_lack_of_memory_is_an_error_at_any_place() -> None:
    testing = pytest.importorskip("_testcapi")
    expected, failures = written(GRAPH), 0
    before = sys.getallocatedblocks()
    for place in range(1, 300):
        testing.set_nomemory(place, place + 1)
        try:
            found = written(GRAPH)
        except MemoryError:
            found = b""
        finally:
            testing.remove_mem_hooks()
        failures += not found
        assert found in (b"", expected)
    assert failures > 20
    assert sys.getallocatedblocks() - before < 100


@pytest.mark.parametrize(
    "call",
    [
        lambda kind: kind(),
        lambda kind: kind(3, 10, None),
        lambda kind: kind(3, 10, {}).text("\ud800"),
        lambda kind: kind(3, 10, {}).text(b""),
        lambda kind: kind(3, 10, {}).byte_string(""),
        lambda kind: kind(3, 10, {}).append(""),
        lambda kind: kind(3, 10, {}).block(b"", ""),
        lambda kind: kind(3, 10, {}).fill(1, b""),
        lambda kind: kind(3, 10, {}).fill((), ""),
        lambda kind: kind(3, 10, {}).storage_key("a"),
        lambda kind: kind(3, 10, {}).memoise_value([]),
        lambda kind: kind(3, 10, {}).refer_to_value([]),
        lambda kind: kind(3, 10, {}).take_class(int, []),
        lambda kind: list(kind(3, 10, {}).fill((1 << 70,), b"")),
        lambda kind: list(kind(3, 10, {int: lambda _: ""}).fill((1 << 70,), b"")),
        lambda kind: kind.Walk(),
    ],
)
def test_wrong_arguments_are_errors(call: Callable[[Any], Any]) -> None:
    import hermpkg_speed

    with pytest.raises((TypeError, KeyError)):
        call(hermpkg_speed.Pickle)


def test_it_works_in_another_interpreter_of_a_process() -> None:
    pytest.importorskip("_xxsubinterpreters")
    script = """
import _xxsubinterpreters as interpreters
text = '''
import hermpkg_speed
pickle = hermpkg_speed.Pickle(3, 9, {})
assert list(pickle.fill(([(1, "a"), (1, "a")],), b".")) == []
assert pickle.finish()[0].endswith(b"\\\\x86q\\\\x00h\\\\x00e."), pickle.finish()
'''
other = interpreters.create()
interpreters.run_string(other, text)
interpreters.destroy(other)
exec(text)
print("done")
"""
    completed = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert completed.stdout == "done\n", completed.stderr


def test_the_types_say_what_there_is() -> None:
    import hermpkg_speed

    stub = (REPOSITORY / "hermpkg_build/source/native/hermpkg_speed.pyi").read_text()
    named = set(
        re.findall(
            r"^    (?:def |class )?(\w+)[:(]",
            stub.partition("class Pickle")[2].partition("\ndef ")[0],
            re.MULTILINE,
        )
    )
    assert named - {"__init__"} == {name for name in vars(hermpkg_speed.Pickle) if not name.startswith("__")}
