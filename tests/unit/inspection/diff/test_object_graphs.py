"""Object graphs of pickles: read without running them, compared by path, value, order and sharing."""

import collections
import pickle
import pickletools

import pytest

from hermpkg_build.inspection.diff.object_graphs import compare_graphs, compare_opcodes
from hermpkg_build.pickles.reading.nodes import NodeKind, read_pickle


class Thing:
    def __init__(self, **attributes):
        self.__dict__.update(attributes)


class Slotted:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y


class Keeper:
    """Reduces to a call with an argument that no one could foresee."""

    def __init__(self, value):
        self.value = value

    def __reduce__(self):
        return Keeper, (self.value,)


def differences(a, b, protocol=4):
    graphs = [read_pickle(pickle.dumps(value, protocol)) for value in (a, b)]
    return compare_graphs(*graphs, "model/model.pkl").differences


def shared_list():
    inner = [1]
    return [inner, inner]


def nest(depth, leaf):
    value = leaf
    for _ in range(depth):
        value = [value]
    return value


ROWS = [
    ({"a": 1}, {"a": 2}, 'model["a"]', "another value"),
    ([1, [2, 3]], [1, [2, 4]], "model[1][1]", "another value"),
    (1, 1.0, "model", "another value"),
    (0.0, -0.0, "model", "another value"),
    (True, 1, "model", "another value"),
    ("x", b"x", "model", "another value"),
    ((1, 2), [1, 2], "model", "a tuple became a list"),
    ([1, 2], [1, 2, 3], "model[2]", "an element was added"),
    ([1, 2, 3], [1, 3, 2], "model", "the same 3 elements in another order"),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}, "model", "the same 2 keys in another order"),
    ({"a": 1}, {"a": 1, "b": 2}, 'model["b"]', "a key was added"),
    ({"a": 1, "b": 2}, {"a": 1}, 'model["b"]', "a key is gone"),
    (Thing(note="x"), Thing(note="y"), "model.note", "another value"),
    (Thing(inner=Thing(z=1)), Thing(inner=Thing(z=2)), "model.inner.z", "another value"),
    (Slotted(1, 2), Slotted(1, 3), "model.y", "another value"),
    (Keeper(1), Keeper(2), "model.__reduce__()[1][0]", "another value"),
    (len, print, "model", "another name"),
    (shared_list(), [[1], [1]], "model[1]", "objects are shared in another way"),
    ([[1], [1]], shared_list(), "model[1]", "objects are shared in another way"),
    (collections.OrderedDict(a=1), collections.OrderedDict(a=2), 'model["a"]', "another value"),
    ({(1, 2): "x"}, {(1, 2): "y"}, "model[(1, 2)]", "another value"),
]


@pytest.mark.parametrize("protocol", [0, 1, 2, 3, 4, 5])
@pytest.mark.parametrize(("a", "b", "path", "what"), ROWS)
def test_names_the_place(a, b, path, what, protocol):
    if protocol < 2 and isinstance(a, (Slotted, bytes)):
        pytest.skip("older protocols cannot hold it")
    if protocol < 3 and isinstance(b, bytes):
        pytest.skip("older protocols write bytes as a call")
    found = differences(a, b, protocol)
    assert [(each.path.replace("__getnewargs__", "__reduce__"), each.what) for each in found] == [
        (path, what)
    ]


def test_names_the_opcodes_and_where_they_are():
    a, b = pickle.dumps([7, "x"], 3), pickle.dumps([70000, "x"], 3)
    (found,) = compare_graphs(read_pickle(a), read_pickle(b), "p.pkl").differences
    assert (found.a.value, found.a.opcode) == ("7", "BININT1")
    assert (found.b.value, found.b.opcode) == ("70000", "BININT")
    by_offset = {offset: opcode.name for opcode, _, offset in pickletools.genops(a)}
    assert by_offset[found.a.offset] == "BININT1"


def test_long_texts_are_shown_where_they_part():
    (found,) = differences("a" * 5000 + "left" + "z" * 90, "a" * 5000 + "right" + "z" * 90)
    assert "left" in found.a.value
    assert "right" in found.b.value
    assert len(found.a.value) < 100
    (found,) = differences(b"a" * 5000 + b"left", b"a" * 5000 + b"right", 3)
    assert found.a.value.endswith("left'")
    assert found.b.value.endswith("right'")
    assert len(found.a.value) < 100


def test_texts_that_look_the_same_are_spelled_out():
    """An accent of its own, and one that is part of the letter."""
    (found,) = differences("caf\u00e9", "cafe\u0301", 3)
    assert (found.a.value, found.b.value) == ('"caf\\xe9"', '"cafe\\u0301"')
    (found,) = differences("caf\u00e9", "caf\u00e8", 3)
    assert (found.a.value, found.b.value) == ('"caf\u00e9"', '"caf\u00e8"')


def test_another_kind_of_value_is_told_in_words():
    (found,) = differences(1, Thing(a=1), 3)
    assert found.what == "a plain value became an object"


@pytest.mark.parametrize(
    "value",
    [
        {"a": [1, 2.5, None, True, "x", b"y", (1,), {3}, frozenset({4}), 1 << 80]},
        [Thing(a=[Slotted(1, 2)]), collections.OrderedDict(x=Keeper(3))],
        nest(5_000, "deep"),
    ],
)
@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_equal_graphs_are_equal(value, protocol, monkeypatch):
    data = _dumps_deep(value, protocol)
    assert compare_graphs(read_pickle(data), read_pickle(data), "model.pkl").total == 0


def _dumps_deep(value, protocol):
    import sys

    before = sys.getrecursionlimit()
    sys.setrecursionlimit(100_000)
    try:
        return pickle.dumps(value, protocol)
    except RecursionError:
        # From Python 3.12 on the limit of native code is not for us to set; that of Python code is.
        return pickle._dumps(value, protocol)
    finally:
        sys.setrecursionlimit(before)


def test_cycles_end():
    values = []
    for leaf in (1, 2):
        value = Thing(leaf=leaf)
        value.me = value
        value.list = [value]
        values.append(value)
    (found,) = differences(*values)
    assert found.path == "model.leaf"


def test_sets_in_another_order():
    """What a pickler that is not canonical writes."""
    a = b"\x80\x04\x8f(K\x01K\x02K\x03\x90."
    b = b"\x80\x04\x8f(K\x03K\x01K\x02\x90."
    (found,) = compare_graphs(read_pickle(a), read_pickle(b), "m.pkl").differences
    assert found.what == "the same 3 elements in another order"
    assert (found.a.value, found.b.value) == ("1, 2, 3", "3, 1, 2")


def test_the_same_values_written_in_another_way():
    a, b = b"\x80\x03](K\x01K\x02e.", b"\x80\x03](K\x01M\x02\x00e."
    graph = read_pickle(a)
    assert compare_graphs(graph, read_pickle(b), "m.pkl").total == 0
    (found,) = compare_opcodes(a, b, graph, "m.pkl")
    assert (found.path, found.a.opcode, found.b.opcode) == ("m[1]", "BININT1", "BININT2")


@pytest.mark.parametrize(
    "data", [b"", b"\x80\x04", b"hello", b"\x80\x04K\x01", b"\x80\x04R.", b"\x80\x04h\x05."]
)
def test_what_is_no_pickle(data):
    with pytest.raises(ValueError, match=r"pickle|opcode|empty|exhausted"):
        read_pickle(data)


def test_reading_runs_nothing(tmp_path):
    marker = tmp_path / "ran"
    data = b"cbuiltins\nopen\n(X" + len(str(marker)).to_bytes(4, "little") + str(marker).encode()
    data += b"X\x01\x00\x00\x00wtR."
    assert read_pickle(data).kind is NodeKind.CALL
    assert not marker.exists()


def test_many_differences_are_counted_and_some_kept():
    graphs = [read_pickle(pickle.dumps([(i, i + n) for i in range(1000)])) for n in (7, 8)]
    compared = compare_graphs(*graphs, "m.pkl")
    assert compared.total == 1000
    assert len(compared.differences) == 100


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        ("<object at 0x7f0011223344>", "<object at 0x7f0055667788>", "address"),
        (0x7F0011223344 & ~7, 0x7F0055667788 & ~7, "address"),
        ("/tmp/tmpab12/x", "/tmp/tmpcd34/x", "temporary"),
        ("2026-01-02T03:04:05", "2026-01-02T03:04:06", "date"),
        ("6fa459ea-ee8a-4ca4-894e-db77e160355e", "16fd2706-8baf-433b-82eb-8c7fada847da", "UUID"),
        (3, 4, ""),
        ("left", "right", ""),
    ],
)
def test_hints(a, b, words):
    (found,) = differences([a], [b])
    assert words in found.hint
    assert bool(words) == bool(found.hint)


def test_a_hint_for_the_present_time():
    import time

    now = time.time()
    assert "time" in differences([now], [now + 3.5])[0].hint
    assert "time" in differences([int(now * 1e9)], [int(now * 1e9) + 12345])[0].hint


def shared_pairs(count, *, swapped):
    """A pickle of tuples, each of which holds the two before it."""
    data = b"\x80\x04)\x94)\x85\x94"
    for place in range(2, count):
        before = [place - 2, place - 1] if swapped else [place - 1, place - 2]
        data += b"".join(b"j" + part.to_bytes(4, "little") for part in before) + b"\x86\x94"
    return data + b"."


def test_graphs_of_shared_parts_take_time_by_their_size():
    """Each of the 3,000 tuples of one graph could be compared with each of the other."""
    graphs = [read_pickle(shared_pairs(3_000, swapped=swapped)) for swapped in (False, True)]
    assert compare_graphs(graphs[0], graphs[1], "m/m.pkl").differences
    graphs = [read_pickle(shared_pairs(3_000, swapped=False)) for _ in range(2)]
    assert not compare_graphs(graphs[0], graphs[1], "m/m.pkl").differences


def test_keys_whose_hashes_are_equal():
    keys = [number * ((1 << 61) - 1) for number in range(1, 4_000)]
    graphs = []
    for value in b"\1", b"\2":
        items = b"".join(b"\x8a\x0a" + key.to_bytes(10, "little") + b"K" + value for key in keys)
        graphs.append(read_pickle(b"\x80\x04}(" + items + b"u."))
    assert compare_graphs(graphs[0], graphs[1], "m/m.pkl").total == len(keys)


def test_keys_in_another_order():
    keys = [str(number) for number in range(20_000)]
    found = differences(dict.fromkeys(keys), dict.fromkeys(reversed(keys)))
    assert [difference.what for difference in found] == ["the same 20000 keys in another order"]
