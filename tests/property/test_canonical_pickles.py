"""The law of canonical pickles on random object graphs: one value, one sequence of bytes."""

from __future__ import annotations

import importlib.util
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hermpkg_build.pickles.canonical import pickle_canonically

GRAPHS = Path(__file__).parent / "object_graphs.py"
REPOSITORY = Path(__file__).resolve().parents[2]


def _load_graphs() -> ModuleType:
    spec = importlib.util.spec_from_file_location("object_graphs", GRAPHS)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["object_graphs"] = module
    spec.loader.exec_module(module)
    return module


graphs = _load_graphs()


class Peer:
    """A process with its own hash seed that pickles what it is asked to."""

    def __init__(self, hash_seed: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(GRAPHS)],
            env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": str(REPOSITORY)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def pickle(self, protocol: int, recipe: list[Any]) -> bytes:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps([protocol, recipe]) + "\n")
        self.process.stdin.flush()
        return bytes.fromhex(self.process.stdout.readline())


@pytest.fixture(scope="module")
def peers() -> Iterator[list[Peer]]:
    found = [Peer(1), Peer(2)]
    yield found
    for peer in found:
        peer.process.stdin.close()
        peer.process.wait()


indexes = st.lists(st.integers(0, 30), max_size=6)
texts = st.text(st.characters(exclude_categories=[]), max_size=5)
floats = st.sampled_from(["0.0", "-0.0", "1.0", "nan", "-inf", "0.1"])
entries = st.one_of(
    st.tuples(st.sampled_from([*graphs.CHANGEABLE, "tuple", "frozenset"]), indexes),
    st.tuples(st.sampled_from(["set", "thing", "frozenset", "tuple"]), indexes),
    st.tuples(st.just("atom"), st.one_of(st.integers(), st.booleans(), st.none(), texts)),
    st.tuples(st.just("bytes"), st.sampled_from(["", "ab", "c" * 300])),
    st.tuples(st.just("float"), floats),
    st.tuples(st.just("complex"), st.tuples(st.sampled_from([0.0, -0.0, 1.0]), st.just(2.0))),
)
roots = st.tuples(st.sampled_from(["list", "thing", "dict", "set", "tuple"]), indexes)
mixtures = st.tuples(st.lists(entries, max_size=30), roots).map(
    lambda pair: [list(entry) for entry in [*pair[0], pair[1]]]
)
# Sets of look-alikes, which only the graph around them can put in order.
crowded = st.lists(st.integers(0, 15), min_size=2, max_size=6)
crowds = st.tuples(
    st.lists(st.tuples(st.just("thing"), st.lists(st.integers(0, 15), max_size=2)), min_size=3, max_size=8),
    st.lists(st.tuples(st.sampled_from(["set", "bag", "list", "thing"]), crowded), min_size=1, max_size=5),
    st.tuples(st.just("list"), st.lists(st.integers(0, 15), min_size=1, max_size=8)),
).map(lambda parts: [list(entry) for entry in [*parts[0], *parts[1], parts[2]]])
recipes = st.one_of(mixtures, crowds)
protocols = st.sampled_from([3, 4, 5])
thorough = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@given(protocol=protocols, recipe=recipes)
@thorough
def test_processes_with_other_hash_seeds_write_the_same_bytes(
    peers: list[Peer], protocol: int, recipe: list[Any]
) -> None:
    here = pickle_canonically(graphs.build(recipe), protocol=protocol).data
    assert [peer.pickle(protocol, recipe) for peer in peers] == [here, here]


@given(protocol=protocols, recipe=recipes)
@thorough
def test_sharing_of_equal_strings_does_not_matter(protocol: int, recipe: list[Any]) -> None:
    apart = pickle_canonically(graphs.build(recipe, fresh=True), protocol=protocol).data
    shared = pickle_canonically(graphs.build(recipe, fresh=False), protocol=protocol).data
    assert apart == shared


@given(protocol=protocols, recipe=recipes)
@thorough
def test_a_loaded_graph_has_the_same_structure_and_pickles_to_the_same_bytes(
    protocol: int, recipe: list[Any]
) -> None:
    obj = graphs.build(recipe)
    data = pickle_canonically(obj, protocol=protocol).data
    loaded = _load(data)
    if loaded is None:
        return
    assert_same(obj, loaded)
    assert pickle_canonically(loaded, protocol=protocol).data == data


def _load(data: bytes) -> Any:
    """The graph, or None where no unpickler can make it.

    A key or an element can be needed for its hash before its own parts exist: a tuple that holds
    a frozenset is an example, whose cycle goes through both.
    """
    try:
        return pickle.loads(data)
    except (AttributeError, TypeError):
        return None


def assert_same(left: Any, right: Any) -> None:
    """Hold two graphs to have equal values, and one object where the other has one."""
    pairs: dict[int, tuple[int, Any, Any]] = {}
    taken: set[int] = set()
    pending = [(left, right)]
    while pending:
        one, two = pending.pop()
        assert type(one) is type(two)
        if isinstance(one, (str, bytes, int, float, complex, type(None))):
            assert repr(one) == repr(two)
            continue
        if id(one) in pairs:
            if not _is_atom(one):
                assert pairs[id(one)][0] == id(two), "an object became two"
            continue
        if not _is_atom(one):
            assert id(two) not in taken, "two objects became one"
        taken.add(id(two))
        pairs[id(one)] = (id(two), one, two)
        if isinstance(one, dict):
            pending += zip(one.keys(), two.keys(), strict=True)
            pending += zip(one.values(), two.values(), strict=True)
        elif isinstance(one, (list, tuple)):
            pending += zip(one, two, strict=True)
        elif isinstance(one, (set, frozenset)):
            assert sorted(map(_outline, one)) == sorted(map(_outline, two))
        elif isinstance(one, graphs.Slotted):
            names = [name for name in sorted(one.__slots__) if hasattr(one, name)]
            assert names == [name for name in sorted(two.__slots__) if hasattr(two, name)]
            pending += [(getattr(one, name), getattr(two, name)) for name in names]
        else:
            assert list(vars(one)) == list(vars(two))
            pending += zip(vars(one).values(), vars(two).values(), strict=True)


def _is_atom(obj: Any) -> bool:
    if isinstance(obj, (tuple, frozenset)):
        return all(map(_is_atom, obj))
    return isinstance(obj, (str, bytes, int, float, complex, type(None)))


def _outline(element: Any) -> str:
    """What an element is, as far as that shows without its identity."""
    return (
        repr(element)
        if not isinstance(element, (tuple, frozenset)) and _is_atom(element)
        else str(type(element))
    )


def test_the_pickler_of_the_standard_library_fails_this_law(peers: list[Peer]) -> None:
    """The control: if hash seeds did not reach the peers, the law above would say nothing."""
    script = "import pickle, sys; sys.stdout.write(pickle.dumps({'a', 'b', 'c', 'd', 'e'}).hex())"
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": str(seed)},
            capture_output=True,
            check=True,
        ).stdout
        for seed in range(1, 6)
    }
    assert len(outputs) > 1
