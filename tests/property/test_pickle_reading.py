"""Pickles are read as the unpickler reads them, and nothing in a file can make reading fail badly."""

from __future__ import annotations

import io
import pickle
from contextlib import suppress
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build.inspection.diff.object_graphs import compare_graphs, compare_opcodes
from hermpkg_build.pickles.reading.named_tensors import named_tensors
from hermpkg_build.pickles.reading.nodes import Node, NodeKind, contents_of_pickle, read_pickle

ATOMS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=9)
    | st.binary(max_size=9)
)
KEYS = st.text(max_size=5) | st.integers()
VALUES = st.recursive(
    ATOMS,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.lists(inner, max_size=4).map(tuple)
        | st.sets(KEYS, max_size=4)
        | st.frozensets(KEYS, max_size=4)
    ),
    max_leaves=20,
)
PROTOCOLS = st.integers(0, 5)


def rebuilt(node: Node) -> object:
    """The value of a node that is made of plain containers."""
    items = [rebuilt(item) for item in node.items]
    if node.kind is NodeKind.DICT:
        return {rebuilt(key): rebuilt(value) for key, value in node.pairs}
    kinds = {NodeKind.TUPLE: tuple, NodeKind.LIST: list, NodeKind.SET: set, NodeKind.FROZENSET: frozenset}
    return kinds[node.kind](items) if node.kind in kinds else node.value


@given(VALUES, st.integers(4, 5))
def test_what_is_read_is_what_was_written(value, protocol):
    assert rebuilt(read_pickle(pickle.dumps(value, protocol))) == value


@given(VALUES, VALUES, PROTOCOLS)
def test_graphs_are_equal_where_pickles_are_and_differ_where_values_do(a, b, protocol):
    left, right = (pickle.dumps(value, protocol) for value in (a, b))
    graphs = read_pickle(left), read_pickle(right)
    assert compare_graphs(graphs[0], read_pickle(left), "m.pkl").total == 0
    told = compare_graphs(*graphs, "m.pkl").total or len(list(compare_opcodes(left, right, graphs[0], "m")))
    assert bool(told) == (left != right)


@settings(max_examples=400)
@given(VALUES, PROTOCOLS, st.lists(st.tuples(st.integers(0, 10**6), st.binary(max_size=3)), max_size=6))
def test_damage_is_a_value_error_or_another_graph(value, protocol, edits):
    data = bytearray(pickle.dumps(value, protocol))
    for place, piece in edits:
        place %= len(data) + 1
        data[place : place + len(piece)] = piece
    try:
        node = read_pickle(bytes(data))
    except ValueError:
        return
    compare_graphs(node, read_pickle(pickle.dumps(value, protocol)), "m.pkl")
    list(named_tensors(node, "m.pkl"))


def test_a_few_bytes_cannot_stand_for_endless_work():
    """Each tuple holds the one before it twice: two to the power of sixty if it were followed blindly."""
    data = b"\x80\x04)\x94" + b"".join(b"h%ch%c\x86\x94" % (n, n) for n in range(60)) + b"."
    other = data.replace(b")", b"K\x01", 1)
    assert compare_graphs(read_pickle(data), read_pickle(data), "m.pkl").total == 0
    assert compare_graphs(read_pickle(data), read_pickle(other), "m.pkl").total == 1


def test_integers_of_any_size():
    a, b = (pickle.dumps([1 << 100_000, 7 + extra]) for extra in (0, 1 << 90_000))
    (found,) = compare_graphs(read_pickle(a), read_pickle(b), "m.pkl").differences
    assert found.b.value == "an integer of 90001 bits"
    list(compare_opcodes(a, b, read_pickle(a), "m.pkl"))


class Anything(dict):
    """Stands for any class and its instances; it can be called, filled and given a state."""

    def __call__(self, *_: object) -> Anything:
        return self

    def __setstate__(self, _: object) -> None:
        pass

    def append(self, _: object) -> None:
        pass

    def extend(self, _: object) -> None:
        pass


class Asking(pickle.Unpickler):
    """The real unpickler, which notes what it would look up in place of looking it up."""

    def __init__(self, data: bytes) -> None:
        super().__init__(io.BytesIO(data))
        self.asked: set[tuple[str, str]] = set()

    def find_class(self, module: str, name: str) -> Any:
        self.asked.add((module, name))
        return Anything

    def persistent_load(self, _: object) -> Anything:
        return Anything()


NAMED = st.sampled_from(["os", "system", "größe", "a.b", ""])
OPCODES = st.one_of(
    NAMED.map(lambda text: b"\x8c" + bytes([len(text.encode())]) + text.encode()),
    NAMED.map(lambda text: b"V" + text.encode("raw-unicode-escape") + b"\n"),
    st.tuples(st.sampled_from([b"c", b"i"]), NAMED, NAMED).map(lambda t: t[0] + f"{t[1]}\n{t[2]}\n".encode()),
    st.tuples(st.sampled_from([b"q", b"h"]), st.integers(0, 3)).map(lambda t: t[0] + bytes([t[1]])),
    st.sampled_from(
        [b"\x93", b"\x94", b"(", b"0", b"1", b"2", b"t", b"]", b"}", b")", b"R", b"o", b"b", b"N"]
    ),
    st.sampled_from(
        [b"a", b"e", b"s", b"u", b"\x85", b"\x86", b"\x81", b"Q", b"K\x01", b"\x8f", b"\x90", b"\x91"]
    ),
)
NAMING = st.tuples(NAMED, NAMED).map(
    lambda t: b"".join(b"\x8c" + bytes([len(x.encode())]) + x.encode() for x in t) + b"\x93"
)


@settings(max_examples=500)
@given(st.lists(OPCODES | NAMING, max_size=25))
def test_reading_finds_whatever_the_unpickler_looks_up(opcodes):
    data = b"\x80\x04" + b"".join(opcodes) + b"."
    unpickler = Asking(data)
    with suppress(Exception):
        unpickler.load()
    assert unpickler.asked <= contents_of_pickle(data).globals


def test_names_are_utf_8_in_every_protocol():
    assert (
        contents_of_pickle("\x80\x03cmaße\nGröße\n.".encode("latin-1")).globals == set()
    )  # Nor can it be loaded.
    assert contents_of_pickle(b"\x80\x03c" + "maße\nGröße\n".encode() + b".").globals == {("maße", "Größe")}
