"""Requests for inference are read as they were meant, or refused; results are written to be read."""

from __future__ import annotations

import json
import math
import pickle
import struct
from contextlib import suppress

import numpy
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.serving.protocol.arguments import arguments
from hermpkg_build.serving.protocol.calls import Asked, read_call, timeout_of
from hermpkg_build.serving.protocol.datatypes import Output, tensor_of_bytes, tensor_of_data
from hermpkg_build.serving.protocol.errors import RequestError
from hermpkg_build.serving.protocol.inference import Input, outputs_of, read_request, write_response
from hermpkg_build.serving.requests import Parameter

TYPES = ["BOOL", "UINT8", "UINT16", "INT8", "INT16", "INT32", "INT64", "FP16", "BF16", "FP32", "FP64"]


@given(st.sampled_from(TYPES), st.lists(st.integers(0, 4), max_size=3))
def test_an_output_is_read_as_an_input_in_both_ways(datatype, shape):
    dtype = tensor_of_data("x", datatype, [0], []).dtype
    tensor = (torch.arange(math.prod(shape)) % 2).reshape(shape).to(dtype)
    output = Output("x", tensor)
    assert (output.datatype, output.shape) == (datatype, shape)
    for read in (
        tensor_of_data("x", datatype, shape, json.loads(output.as_json())),
        tensor_of_bytes("x", datatype, shape, memoryview(output.data())),
    ):
        assert read.dtype == dtype
        assert torch.equal(read, tensor)


@pytest.mark.parametrize(
    ("dtype", "bits"),
    [
        (torch.float16, torch.arange(1 << 16)),
        (torch.bfloat16, torch.arange(1 << 16)),
        (torch.float32, torch.randint(1 << 32, (100_000,))),
        (torch.float64, torch.randint(-(1 << 63), (1 << 63) - 1, (10_000,))),
    ],
)
def test_every_value_of_a_type_is_written_to_be_read_as_the_same(dtype, bits):
    whole = {2: torch.int16, 4: torch.int32, 8: torch.int64}[dtype.itemsize]
    tensor = bits.to(whole).view(dtype)
    for some in (tensor[tensor.isfinite()], tensor[~tensor.isnan()], tensor[:0]):
        output = Output("x", some)
        read = tensor_of_data("x", output.datatype, output.shape, json.loads(output.as_json()))
        assert torch.equal(read.view(whole), some.view(whole))


@pytest.mark.parametrize(
    ("datatype", "value"),
    [
        ("FP32", 1e39),
        ("FP16", 70_000),
        ("BF16", -1e39),
        ("FP64", 10**400),
        ("UINT64", -1),
        ("UINT64", 1 << 64),
        ("INT64", 1 << 63),
        ("UINT8", 256),
        ("INT32", -(1 << 31) - 1),
    ],
)
def test_a_number_that_a_type_has_not_is_refused(datatype, value):
    with pytest.raises(RequestError, match=f"'x'.*{datatype}"):
        tensor_of_data("x", datatype, [2], [0, value])
    if datatype.startswith(("FP", "BF")):
        assert tensor_of_data("x", datatype, [2], [0, math.inf])[1] == math.inf


@pytest.mark.parametrize("value", [0.1, 1e300, 2**53 + 1, [1, 1e300], [[True], [2.5]]])
def test_numbers_of_python_stay_what_they_are(value):
    output = Output("x", value)
    flat = torch.tensor(value, dtype=torch.float64 if output.datatype == "FP64" else None).flatten()
    assert json.loads(output.as_json()) == flat.tolist()
    assert value in (flat.tolist(), flat.tolist()[0], flat.reshape(output.shape).tolist())


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=5))
def test_texts_in_both_ways(texts):
    if not texts:
        return
    output = Output("x", texts)
    assert (output.datatype, output.shape) == ("BYTES", [len(texts)])
    assert tensor_of_data("x", "BYTES", [len(texts)], json.loads(output.as_json())) == texts
    assert tensor_of_bytes("x", "BYTES", [len(texts)], memoryview(output.data())) == texts


@pytest.mark.parametrize(
    ("result", "names"),
    [
        (torch.ones(1), ["output__0"]),
        ((torch.ones(1), torch.ones(2)), ["output__0", "output__1"]),
        ({"a": torch.ones(1), "b": None, "c": [1, 2]}, ["a", "c"]),
        (3.5, ["output__0"]),
        ("text", ["output__0"]),
        ([[1, 2], [3, 4]], ["output__0"]),
    ],
    ids=["tensor", "tuple", "dict", "number", "text", "numbers"],
)
def test_results_become_outputs(result, names):
    request = read_request(b'{"inputs": []}', None)
    response = write_response(request, result, "m", "1")
    assert [each["name"] for each in json.loads(response.body)["outputs"]] == names


@pytest.mark.parametrize(
    "result",
    [
        *(object(), [{}], torch.ones(2, dtype=torch.complex64), [[1], [1, 2]], ["a", 1], 2**63, [-(2**70)]),
        *(["a", ["b"]], [["a"], "b"], [["a", "b"], ["c"]], [["a"], [["b"]]], numpy.array(["a", 1], object)),
        *({1: torch.ones(1), "1": torch.zeros(1)}, numpy.ones(1, "datetime64[s]"), numpy.ones(1, "V3")),
    ],
)
def test_results_that_the_protocol_has_not(result):
    with pytest.raises(RequestError) as caught:
        write_response(read_request(b'{"inputs": []}', None), result, "m", "1")
    assert caught.value.status == 500


STRUCTURES = st.recursive(st.sampled_from(["a", "bc", b"d"]), lambda part: st.lists(part, max_size=3))


@given(STRUCTURES)
def test_texts_keep_their_places_or_are_refused(value):
    try:
        output = Output("x", value)
    except TypeError:
        with pytest.raises(ValueError, match="inhomogeneous"):
            numpy.array(value)
        return
    read = tensor_of_bytes("x", "BYTES", output.shape, memoryview(output.data()))
    assert read == _as_texts(value if isinstance(value, list) else [value])


def _as_texts(value):
    return [_as_texts(each) if isinstance(each, list) else as_text(each) for each in value]


def as_text(value):
    return value.decode() if isinstance(value, bytes) else value


@pytest.mark.parametrize("dtype", ["<i4", ">i4", ">f2", ">f8", "<u8", "?"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3)])
def test_arrays_of_any_order_are_tensors(dtype, shape):
    array = numpy.arange(math.prod(shape)).reshape(shape).astype(dtype)
    array.flags.writeable = False
    for one in (array, array[::-1] if shape else array, array.T):
        output = Output("x", one)
        assert output.shape == list(one.shape)
        assert json.loads(output.as_json()) == one.flatten().tolist()


@pytest.mark.parametrize(
    "texts",
    [
        numpy.array(["a", "é"]),
        numpy.array([b"a", b"b"]),
        numpy.array([["a"], [b"b"]], object),
        numpy.str_("a"),
    ],
)
def test_arrays_of_texts_are_texts(texts):
    output = Output("x", texts)
    assert (output.datatype, output.shape) == ("BYTES", list(texts.shape) or [1])
    assert json.loads(output.as_json()) == list(map(as_text, numpy.ravel(texts).tolist()))
    assert list(outputs_by_name([numpy.str_("a"), numpy.str_("b")])) == ["output__0"]


def outputs_by_name(result):
    return {each.name: each for each in outputs_of(result)}


def test_bytes_that_are_no_texts_are_given_as_bytes_alone():
    as_json = read_request(b'{"inputs": []}', None)
    with pytest.raises(RequestError, match=r"'output__0'.*binary_data") as caught:
        write_response(as_json, [b"\xff\xd8"], "m", "1")
    assert caught.value.status == 400
    as_bytes = read_request(b'{"inputs": [], "parameters": {"binary_data_output": true}}', None)
    assert write_response(as_bytes, [b"\xff\xd8"], "m", "1").body.endswith(b"\xff\xd8")
    text = json.loads(write_response(as_json, ["\ud800é", b"a"], "m", "1").body)
    assert text["outputs"][0]["data"] == ["\ud800é", "a"]


ENTRY = {"name": "x", "datatype": "FP32", "shape": [1, 2], "parameters": {"binary_data_size": 8}}
BODY = json.dumps({"id": "1", "inputs": [ENTRY], "outputs": [{"name": "y"}]}).encode()


@given(st.lists(st.tuples(st.integers(0, len(BODY) + 7), st.binary(max_size=3)), max_size=4))
def test_any_body_is_read_or_refused(edits):
    body = bytearray(BODY + struct.pack("<2f", 1, 2))
    for at, data in edits:
        body[at : at + len(data)] = data
    with suppress(RequestError):
        request = read_request(bytes(body), str(len(BODY)))
        assert all(each.value is not None for each in request.inputs)


def one_input(data, shape, datatype="FP32"):
    return json.dumps({"inputs": [{"name": "x", "datatype": datatype, "shape": shape, "data": data}]})


@pytest.mark.parametrize(
    "text",
    [
        one_input([], [0, 1 << 63]),
        one_input([], [0, 1 << 62, 8]),
        one_input([], [10**9, 0], "BYTES"),
        one_input([], [1 << 32, 1 << 32]),
        one_input(1, [1]).replace("1}", "[" * 900 + "1" + "]" * 900 + "}"),
        one_input([[1, 2], [3, 4], [5, 6]], [2, 3]),
        one_input([[1, 2], [3]], [3]),
        one_input([1, [2]], [2]),
        one_input([[1], [2]], [2]),
        one_input([["a", "b"]], [2, 1], "BYTES"),
        '{"inputs": [], "outputs": [{"name": "y"}, {"name": "y", "parameters": {"binary_data": true}}]}',
        '{"inputs": [], "outputs": [{"name": "y", "parameters": {"binary_data": "true"}}]}',
        '{"inputs": [], "parameters": {"binary_data_output": 1}}',
    ],
)
def test_requests_that_cannot_be_meant_are_refused_at_once(text):
    with pytest.raises(RequestError) as caught:
        read_request(text.encode(), None)
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("text", "length"),
    [('{"inputs": [], "parameters": {"timeout": 1%s}}' % ("0" * 400), None), ("{}", "1" * 5000), ("{}", "²")],
)
def test_numbers_without_end_are_refused(text, length):
    with pytest.raises(RequestError) as caught:
        read_request(text.encode(), length)
    assert caught.value.status == 400
    assert timeout_of(text.encode(), length) is None


@pytest.mark.parametrize(
    "text",
    [
        '{"inputs": [], "inputs": []}',
        one_input([1], [1]).replace('"data"', '"data": [2], "data"'),
        '{"inputs": [], "parameters": {"x": 1, "x": 2}}',
    ],
)
def test_a_name_that_is_there_twice_is_refused(text):
    with pytest.raises(RequestError, match="twice"):
        read_request(text.encode(), None)


@pytest.mark.parametrize("text", ["1e400", "-1e400", "1" * 400 + ".0"])
@pytest.mark.parametrize("datatype", ["FP64", "FP16"])
def test_a_number_that_no_type_has_is_not_read_as_infinite(text, datatype):
    infinite = one_input([float("inf"), 1.0], [2], datatype)
    assert read_request(infinite.encode(), None).inputs[0].value.isinf().tolist() == [True, False]
    for body in (infinite.replace("1.0", text), f'{{"inputs": [], "parameters": {{"x": [{text}]}}}}'):
        with pytest.raises(RequestError, match="too large") as caught:
            read_request(body.encode(), None)
        assert caught.value.status == 400


def test_lists_are_those_of_the_shape_or_one():
    for data in ([[1, 2, 3], [4, 5, 6]], [1, 2, 3, 4, 5, 6]):
        (x,) = read_request(one_input(data, [2, 3]).encode(), None).inputs
        assert x.value.tolist() == [[1, 2, 3], [4, 5, 6]]
    assert read_request(one_input(3, []).encode(), None).inputs[0].value.tolist() == 3
    assert read_request(one_input([[]] * 2, [2, 0]).encode(), None).inputs[0].value.shape == (2, 0)
    assert read_request(one_input([], [2, 0], "BYTES").encode(), None).inputs[0].value == [[], []]


def parameter(name, *, needed=True, many=False):
    return Parameter(name=name, by_name=not many, needed=needed, takes_many=many)


def given_inputs(*names):
    return [Input(name=name, datatype="FP32", dimensions=1, value=index) for index, name in enumerate(names)]


def test_inputs_become_arguments_by_name_or_in_order():
    two = [parameter("x"), parameter("scale", needed=False)]
    assert arguments(two, given_inputs("scale", "x"), {}) == ((), {"scale": 0, "x": 1})
    assert arguments(two, given_inputs("x"), {"scale": 2}) == ((), {"x": 0, "scale": 2})
    assert arguments(two, given_inputs("INPUT0", "INPUT1"), {}) == ((0, 1), {})
    assert arguments([parameter("args", many=True)], given_inputs("a", "b", "c"), {}) == ((0, 1, 2), {})
    for inputs, more in (
        (["x", "y"], {}),
        (["scale"], {}),
        (["a", "b", "c"], {}),
        (["x"], {"x": 1}),
        (["x"], {"z": 1}),
    ):
        with pytest.raises(RequestError):
            arguments(two, given_inputs(*inputs), more)


def test_words_of_the_protocol_are_arguments_where_the_model_has_such():
    text = '{"inputs": [], "parameters": {"priority": 3, "sequence_id": "a", "sequence_end": true}}'
    more = read_request(text.encode(), None).parameters
    assert arguments([parameter("x", needed=False)], [], more) == ((), {})
    assert arguments([parameter("priority")], [], more) == ((), {"priority": 3})


@given(
    st.none() | st.integers(-1, 10**7) | st.booleans() | st.text(max_size=2),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32-be"]),
    st.sampled_from(["timeout", "\\u0074imeout", "timeou\\u0074"]),
    st.booleans(),
)
def test_what_time_a_request_gives_is_known_without_reading_the_rest(value, encoding, name, bytes_after):
    text = f'{{"parameters": {{"{name}": {json.dumps(value)}}}, "inputs": []}}'.encode(encoding)
    length = str(len(text)) if bytes_after else None
    is_time = type(value) is int and value > 0
    assert timeout_of(text + b"timeout" * bytes_after, length) == (value / 1e6 if is_time else None)


@given(st.binary(max_size=20) | st.sampled_from([b"[]", b'{"parameters": 1}', b'"timeout"', b'["timeout"]']))
def test_a_body_that_says_nothing_of_time_is_for_its_reader_to_refuse(body):
    assert timeout_of(body, None) is None
    assert timeout_of(body, "x") is None


def test_a_version_answers_what_is_for_it_or_for_any_and_says_so():
    for version, served in (("", 3), ("3", 3)):
        asked = Asked(pickle.PickleBuffer(b'{"inputs": []}'), None, "m", version, False)
        _, answer = read_call(asked, [], served)
        answered = answer(torch.ones(1))
        assert (json.loads(bytes(answered.body))["model_version"], answered.version) == ("3", 3)
    with pytest.raises(RequestError) as caught:
        read_call(asked, [], 4)
    assert caught.value.status == 404


def test_what_is_wrong_with_a_request_arrives_from_another_process():
    told = pickle.loads(pickle.dumps(RequestError(429, "later", retry_after=2)))
    assert (told.status, told.message, told.retry_after, str(told)) == (429, "later", 2, "later")
