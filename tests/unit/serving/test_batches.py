"""Calls made together have the results that they have alone, or are known not to."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.serving.inside.batches import ApartError, alike, difference, divide, join, shape_of


class Pair(NamedTuple):
    left: torch.Tensor
    right: torch.Tensor


@dataclass
class Output:
    logits: torch.Tensor
    name: str


def run(function, calls):
    joined = join(calls)
    args, kwargs = joined.arguments
    return divide(function(*args, **kwargs), joined.rows)


RESULTS = {
    "tensor": lambda x: x * 2,
    "tuple": lambda x: (x + 1, x.sum(1)),
    "list": lambda x: [x, [x * 3]],
    "dict": lambda x: {"a": x, "b": {"c": x.argmax(1), "d": None}},
    "ordered": lambda x: OrderedDict(a=x),
    "named tuple": lambda x: Pair(x, x.abs()),
    "dataclass": lambda x: Output(x, "n"),
    "words": lambda x: [f"{v:.0f}" for v in x[:, 0].tolist()],
}


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=6),
    st.sampled_from([n for n in RESULTS if n != "words"]),
)
def test_rows_that_are_apart_stay_apart(rows, kind):
    function = RESULTS[kind]
    calls = [((torch.randn(n, 3),), {}) for n in rows]
    for (args, _), result in zip(calls, run(function, calls), strict=True):
        assert difference(function(*args), result) == ""


def test_a_list_with_a_value_for_each_row():
    calls = [((torch.full((n, 1), float(n)),), {}) for n in (1, 2, 3)]
    assert run(RESULTS["words"], calls) == [["1"], ["2", "2"], ["3", "3", "3"]]


def test_structures_and_names():
    calls = [
        (([torch.ones(1, 2), {"m": torch.zeros(1)}],), {"scale": 3, "k": (torch.ones(1),)}) for _ in range(3)
    ]
    assert len({repr(shape_of(call)) for call in calls}) == 1
    args, kwargs = join(calls).arguments
    assert args[0][0].shape == (3, 2)
    assert args[0][1]["m"].shape == (3,)
    assert kwargs["scale"] == 3
    assert kwargs["k"][0].shape == (3,)


@pytest.mark.parametrize(
    "other",
    [
        ((torch.ones(1, 3),), {}),
        ((torch.ones(1, 2, dtype=torch.float64),), {}),
        ((torch.ones(1, 2), 1), {}),
        ((torch.ones(1, 2),), {"k": True}),
        (([torch.ones(1, 2)],), {}),
    ],
    ids=["shape", "type", "argument", "name", "list"],
)
def test_calls_that_differ_are_not_made_together(other):
    assert shape_of(((torch.ones(1, 2),), {})) != shape_of(other)


@pytest.mark.parametrize(
    "arguments",
    [
        ((1,), {}),
        ((torch.tensor(1.0),), {}),
        ((torch.ones(2), torch.ones(3)), {}),
        ((torch.ones(2), {1}), {}),
        ((torch.eye(2).to_sparse(),), {}),
    ],
    ids=["no tensor", "no dimension", "rows", "set", "sparse"],
)
def test_arguments_that_cannot_be_joined(arguments):
    with pytest.raises(ApartError):
        shape_of(arguments)


@pytest.mark.parametrize(
    "result",
    [torch.tensor(3.0), torch.ones(2), object(), [torch.ones(3), torch.ones(1)]],
    ids=["no dimension", "rows", "object", "part"],
)
def test_results_that_cannot_be_divided(result):
    with pytest.raises(ApartError):
        divide(result, [1, 2])


def test_differences_are_seen_beyond_rounding():
    x = torch.randn(100, 100)
    assert difference(x, x * (1 + 1e-6)) == ""
    assert difference(x, x * 1.01) != ""
    assert difference(x, x.double()) != ""
    assert difference(torch.tensor([1, 2]), torch.tensor([1, 3])) != ""
    assert difference(torch.tensor([float("nan")]), torch.tensor([float("nan")])) == ""
    assert difference([1, "a"], [1, "b"]) != ""
    assert difference((x,), [x]) != ""


class Unspeakable:
    def __repr__(self):
        raise RuntimeError


def test_calls_that_can_be_made_together_are_found_among_others():
    pair, row = ((torch.ones(2, 3),), {}), ((torch.ones(1, 3),), {})
    wrong = ((torch.ones(1, 3),), {"options": {Unspeakable(): 1}})
    assert alike([pair, None, ((1,), {}), wrong, row, ((torch.ones(1, 4),), {})]) == [[0, 4]]
    assert alike([]) == alike([None, None]) == []
