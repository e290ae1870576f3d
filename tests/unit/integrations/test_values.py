"""Plain data in and out: nothing is guessed or lost, and what does not fit is told with its place."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hermpkg_build import PackageExporter, PackageImporter
from hermpkg_build.integrations.packed_model import PackedModel
from hermpkg_build.integrations.values import (
    ValueNotConvertedError,
    arguments_of_data,
    plain_call,
    plain_example,
    plain_result,
)

NET = torch.nn.Linear(2, 1).eval()


@pytest.fixture(scope="module")
def same(tmp_path_factory) -> PackedModel:
    path = str(tmp_path_factory.mktemp("values") / "same.pt")
    with PackageExporter(path) as exporter:
        exporter.extern("**")
        exporter.save_source_string(
            "app.serve", "import torch\ndef same(x): return x\ndef named(**v): return v"
        )
    return PackedModel(PackageImporter(path), "app.serve:same")


@pytest.fixture
def call(opened):
    importer = opened(
        {("model", "model.pkl"): NET, ("double", "m.pkl"): torch.nn.Linear(2, 1).double().eval()}
    )

    def call_it(data, target=("model", "model.pkl"), floats="model", **named):
        return plain_call(PackedModel(importer, target), data, named, floats=floats)

    return call_it


NUMBERS = st.sampled_from(["?", "i1", "i2", "i4", "i8", "u1", "u2", "f2", "f4", "f8", "c8", ">f4", ">i8"])
SHAPES = st.lists(st.integers(0, 3), max_size=3).map(tuple)


@settings(max_examples=50, deadline=None)
@given(kind=NUMBERS, shape=SHAPES, turned=st.booleans(), frozen=st.booleans())
def test_an_array_comes_back_as_it_went(same, kind, shape, turned, frozen):
    array = np.arange(np.prod(shape, dtype=int)).reshape(shape).astype(kind)
    if turned:
        array = array.T[::-1] if array.ndim else array
    array.flags.writeable = not frozen
    result = plain_call(same, array, floats="given")
    assert result.dtype == array.dtype.newbyteorder("=")
    assert np.array_equal(result, array)
    assert not np.shares_memory(result, array)


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.text(max_size=3),
        st.integers(-9, 9),
        st.floats(allow_nan=False, width=32),
    ),
    lambda inner: st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=50, deadline=None)
@given(value=JSON)
def test_plain_values_come_back_as_they_went(same, value):
    assert plain_call(same, {"x": value}, floats="given") == value


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.lists(st.integers(-9, 9), max_size=3), max_size=4))
def test_lists_of_numbers_are_arrays_or_are_refused(same, rows):
    if len({len(row) for row in rows}) <= 1:
        assert plain_call(same, rows, floats="given").tolist() == rows
    else:
        with pytest.raises(
            ValueNotConvertedError, match=r"the input cannot be an argument.*different lengths"
        ):
            plain_call(same, rows, floats="given")


def test_numbers_with_a_fraction_get_the_type_of_the_models(call, opened):
    assert call(np.ones((1, 2))).dtype == np.float32
    assert call([[1.0, 2.0]]).dtype == np.float32
    assert call(np.ones((1, 2), "f4"), target=("double", "m.pkl")).dtype == np.float64
    with pytest.raises(RuntimeError, match="dtype"):
        call(np.ones((1, 2)), floats="given")
    with pytest.raises(RuntimeError, match="dtype"):
        call([[1, 2]])  # Whole numbers stay what they are: they may be indices.


def test_tensors_are_given_as_they_are(call, same):
    with pytest.raises(RuntimeError, match="dtype"):
        call(torch.ones(1, 2, dtype=torch.float64))
    tensor = torch.ones(2)
    assert arguments_of_data(same, tensor, floats="model").args[0] is tensor


def test_a_dict_are_arguments_by_name(call):
    assert np.allclose(call({"input": np.ones((1, 2))}), call(np.ones((1, 2))))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"x": np.ones((1, 2))}, ["missing a required argument: 'input'", "it takes: input", "given:    x"]),
        ({}, ["missing a required argument", "it takes: input"]),
        ({1: 2}, ["1 is not the name of an argument"]),
        (np.array(["2020-01-01"], "M8[D]"), ["the input", "datetime64"]),
        (np.array([object()]), ["the input[0]", "object"]),
        ({"input": [1, "a"]}, ["input cannot be an argument", "something else"]),
        ({"input": [1, None]}, ["input cannot be an argument", "something else"]),
        ({"input": ["a", 1]}, ["input cannot be an argument", "something else"]),
        ({"input": ["a", np.float32(1)]}, ["input cannot be an argument", "something else"]),
        ({"input": [{"a": {1, 2}}]}, ["input[0]['a']", "a set"]),
        ([np.ones(2), np.ones(3)], ["arrays of different shapes"]),
        (np.zeros(2, np.longdouble), ["float128"]),
        (object(), ["the input", "a object"]),
    ],
)
def test_what_cannot_be_an_argument_is_told_with_its_place(call, data, words):
    with pytest.raises(ValueNotConvertedError) as raised:
        call(data)
    assert all(word in str(raised.value) for word in words), str(raised.value)


def test_an_argument_that_is_given_twice_is_refused(call):
    with pytest.raises(ValueNotConvertedError, match="input is given twice"):
        call({"input": np.ones((1, 2))}, input=1)


def test_arrays_of_texts_are_lists(same):
    for texts in (np.array(["a", "b"]), np.array(["a", "b"], object), ["a", "b"], ("a", "b")):
        assert plain_call(same, texts, floats="model") == ["a", "b"]


def test_arrays_of_one_shape_in_a_list_are_stacked(same):
    assert plain_call(same, [np.ones(2), np.zeros(2)], floats="given").tolist() == [[1, 1], [0, 0]]


def test_without_torch_arrays_stay_arrays(tmp_path):
    path = str(tmp_path / "plain.pt")
    with PackageExporter(path) as exporter:
        exporter.save_source_string("app", "def kind(x): return type(x).__module__")
    assert plain_call(PackedModel(PackageImporter(path), "app:kind"), np.ones(2), floats="model") == "numpy"


def test_named_values_are_dicts_and_tuples_lists(opened):
    importer = opened()
    one = torch.ones(1)

    def result(name):
        return plain_call(PackedModel(importer, f"app.serve:{name}"), one, floats="model")

    assert result("output") == {"logits": np.ones(1), "label": "cat"}
    assert result("pair") == {"first": np.ones(1), "second": 1}
    with pytest.raises(ValueNotConvertedError, match="the result is a object"):
        result("opaque")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2])
def test_types_that_numpy_lacks_become_wider_ones(dtype):
    tensor = torch.tensor([0.5, -2.0, 1.0]).to(dtype)
    assert plain_result(tensor).tolist() == [0.5, -2.0, 1.0]


def test_tensors_of_all_sorts_become_arrays():
    value = torch.tensor([1 + 2j])
    assert plain_result(value.conj()).tolist() == [1 - 2j]
    assert plain_result(torch.ones(2, requires_grad=True) * 2).tolist() == [2, 2]
    assert plain_result(torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8)).tolist() == [1, 1]


@pytest.mark.parametrize("tensor", [torch.ones(2).to_sparse(), torch.ones(2, device="meta")])
def test_a_tensor_that_cannot_be_an_array_is_told_with_its_place(tensor):
    with pytest.raises(ValueNotConvertedError, match=r"the result\['a'\]\[1\] cannot be an array"):
        plain_result({"a": [1, tensor]})


def test_results_that_are_no_plain_data_are_told_with_their_place():
    with pytest.raises(ValueNotConvertedError, match=r"the result\['a'\] is a set"):
        plain_result({"a": {1}})
    with pytest.raises(ValueNotConvertedError, match="neither a text nor a whole number"):
        plain_result({(1, 2): 3})


def test_what_holds_itself_is_refused_both_ways(same):
    endless = []
    endless.append(endless)
    for convert in (plain_result, lambda value: plain_call(same, value, floats="model")):
        with pytest.raises(ValueNotConvertedError, match="nested too deeply"):
            convert(endless)


@pytest.mark.parametrize(
    ("example", "expected"),
    [
        (torch.ones(1, 2), np.ones((1, 2))),
        ((torch.ones(1, 2), 3), {"x": np.ones((1, 2)), "y": 3}),
        ({"y": torch.zeros(1), "x": "text"}, {"y": np.zeros(1), "x": "text"}),
    ],
)
def test_a_recorded_example_is_data_for_a_call(opened, example, expected):
    importer = opened({("model", "example.pkl"): example, ("model", "model.pkl"): _Add().eval()})
    data = plain_example(PackedModel(importer))
    assert type(data) is type(expected)
    np.testing.assert_equal(data, expected)


class _Add(torch.nn.Module):
    def forward(self, x, y=0):
        return x
