"""Outputs as parts that can be compared, and their comparison."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch

from hermpkg_build.core.example_call import arguments_of
from hermpkg_build.generate.comparison import compare
from hermpkg_build.generate.example import leaves_of, run


class Pair(NamedTuple):
    first: object
    second: object


@dataclass
class Output:
    logits: torch.Tensor
    count: int


class Slotted:
    __slots__ = ("value",)

    def __init__(self, value):
        self.value = value


@pytest.mark.parametrize(
    "value",
    [
        torch.ones(2),
        [torch.ones(2), (1, "a", None)],
        {"a": torch.tensor(float("nan")), "b": {"c": 1.5}},
        Output(torch.zeros(1), 3),
        Pair(1, torch.ones(1, dtype=torch.int64)),
        OrderedDict(a=torch.ones(1)),
        Slotted(torch.ones(1)),
        {1, 2},
        torch.ones(2, 2).to_sparse(),
        float("nan"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_value_equals_itself(value):
    found = compare(leaves_of(value), leaves_of(value))
    assert found.problems == ()
    assert found.difference == 0


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (torch.ones(2), torch.zeros(2)),
        (torch.ones(2), torch.ones(3)),
        (torch.ones(2), torch.ones(2, dtype=torch.float64)),
        (torch.tensor([1, 2]), torch.tensor([1, 3])),
        ([1], (1,)),
        ([1], [1, 2]),
        ([1, 2], [1]),
        ({"a": 1}, {"b": 1}),
        (Output(torch.zeros(1), 3), Output(torch.zeros(1), 4)),
        (Slotted(1), Slotted(2)),
        (1, 1.0),
        ("a", None),
    ],
)
def test_different_values_differ(one, other):
    assert compare(leaves_of(one), leaves_of(other)).problems


def test_rounding_is_told_and_is_no_problem():
    one = torch.full((3,), 1.0)
    found = compare(leaves_of(one), leaves_of(one + 1e-7))
    assert found.problems == ()
    assert 0 < found.difference < 1e-6
    assert "rounding" in found.words


def test_a_value_that_holds_itself_ends():
    value = [1]
    value.append(value)
    assert compare(leaves_of(value), leaves_of(value)).problems == ()


def test_running_an_example_leaves_no_trace():
    layer = torch.nn.Sequential(torch.nn.BatchNorm1d(2), torch.nn.Dropout())
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    first = run(layer, ((torch.rand(4, 2),), {}))
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    assert first.shape == (4, 2)


def test_the_same_example_gives_the_same_numbers():
    layer = torch.nn.Dropout()
    x = torch.ones(100)
    assert torch.equal(run(layer, ((x,), {})), run(layer, ((x,), {})))


def test_random_numbers_go_on_as_if_nothing_had_run():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    run(torch.nn.Dropout(), ((torch.ones(10),), {}))
    assert torch.equal(torch.rand(1), expected)


def test_examples_are_arguments():
    assert arguments_of((1, 2)) == ((1, 2), {})
    assert arguments_of({"x": 1}) == ((), {"x": 1})
    assert arguments_of([1]) == (([1],), {})
    assert arguments_of(Pair(1, 2)) == ((Pair(1, 2),), {})


def test_arrays_of_objects_go_by_these_objects():
    numpy = pytest.importorskip("numpy")

    def made(word):
        array = numpy.empty(2, dtype=object)
        array[:] = [{"a": word}, word]
        return leaves_of(array)

    assert compare(made("".join(["a", "b"])), made("ab")).problems == ()
    assert compare(made("a"), made("b")).problems != ()
