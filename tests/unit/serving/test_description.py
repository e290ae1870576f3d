"""What a model takes and gives is described by a call, in such a way that requests can make that call."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.serving.protocol.arguments import arguments
from hermpkg_build.serving.protocol.description import described_call
from hermpkg_build.serving.protocol.inference import read_request
from hermpkg_build.serving.requests import Parameter

DTYPES = st.sampled_from([torch.float32, torch.float64, torch.int32, torch.int64, torch.uint8, torch.bool])
TENSORS = st.builds(
    lambda dtype, shape: torch.ones(shape, dtype=dtype),
    DTYPES,
    st.lists(st.integers(1, 3), min_size=1, max_size=3),
)
VALUES = st.one_of(TENSORS, st.lists(st.text("abc", max_size=3), min_size=1, max_size=3))


def parameters(*names: str) -> list[Parameter]:
    return [Parameter(name=name, by_name=True, needed=True, takes_many=False) for name in names]


@given(st.lists(VALUES, min_size=1, max_size=3), st.integers(0, 3))
def test_a_request_by_the_description_makes_the_call(values: list[object], by_position: int) -> None:
    names = [f"p{number}" for number in range(len(values))]
    given = (tuple(values[:by_position]), dict(zip(names[by_position:], values[by_position:], strict=True)))
    described = described_call(parameters(*names), given, torch.ones(1))["inputs"]
    inputs = [
        {
            **each,
            "shape": list(value.shape) if isinstance(value, torch.Tensor) else [len(value)],  # type: ignore[arg-type]
            "data": value.tolist() if isinstance(value, torch.Tensor) else value,
        }
        for each, value in zip(described, values, strict=True)
    ]
    assert [len(each["shape"]) for each in inputs] == [len(each["shape"]) for each in described]
    request = read_request(json.dumps({"inputs": inputs}).encode(), None)
    args, kwargs = arguments(parameters(*names), request.inputs, request.parameters)
    assert args == ()
    for made, value in zip(kwargs.values(), values, strict=True):
        assert (made == value) is True if isinstance(value, list) else torch.equal(made, value)


def test_numbers_are_parameters_and_unnamed_arguments_go_by_order() -> None:
    x = torch.ones(2)
    assert described_call(parameters("x", "times"), ((x, 2), {}), x)["inputs"] == [
        {"name": "x", "datatype": "FP32", "shape": [-1]}
    ]
    many = [Parameter(name="all", by_name=False, needed=False, takes_many=True)]
    names = [each["name"] for each in described_call(many, ((x, x), {}), (x, x))["inputs"]]
    assert names == ["input__0", "input__1"]


@pytest.mark.parametrize("value", [{"a": 1}, [], object(), [torch.ones(1), 3]])
def test_what_no_request_can_send_is_not_described(value: object) -> None:
    with pytest.raises(TypeError):
        described_call(parameters("x"), ((value,), {}), torch.ones(1))
