"""Requests for inference, read; and their results, written: JSON, and bytes after it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from pickle import PickleBuffer
from typing import Any

from hermpkg_build.serving.protocol.datatypes import BYTES, Output, tensor_of_bytes, tensor_of_data
from hermpkg_build.serving.protocol.errors import RequestError, bad_request

Buffer = bytes | bytearray | memoryview | PickleBuffer

_MOST_DIMENSIONS = 64
_FOR_THE_SERVER = frozenset(["binary_data_output", "timeout"])
"""Parameters of requests that are no arguments of a model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """An input: its name, type and number of dimensions, and its value."""

    name: str
    datatype: str
    dimensions: int
    value: Any


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceRequest:
    """What a client asks for. `outputs` are the names of those it wants, and whether as bytes; empty for all.

    `parameters` are those that are not for the server.
    """

    id: str
    inputs: Sequence[Input]
    outputs: Mapping[str, bool]
    binary: bool
    parameters: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class InferenceResponse:
    """A body, and the length of the JSON in it; None where there is nothing else in it."""

    body: bytes
    json_length: int | None
    outputs: Sequence[Output]


def json_length_of(body: Buffer, header_length: str | None) -> int:
    """Return how many bytes of a body are JSON: all, or as many as a header says. Raises RequestError."""
    whole = len(memoryview(body))
    if header_length is None:
        return whole
    digits = header_length.lstrip("0") or header_length[-1:]
    # More digits than the number has may be more than Python reads.
    if not digits.isascii() or not digits.isdigit() or len(digits) > 20 or int(digits) > whole:
        raise bad_request(f"the header Inference-Header-Content-Length is wrong: {header_length[:20]!r}")
    return int(digits)


def timeout_in(parameters: Mapping[str, Any]) -> float | None:
    """Return the seconds that the parameters of a request give it, None for any. Raises RequestError."""
    timeout = parameters.get("timeout")
    if timeout is not None and (type(timeout) is not int or not 0 <= timeout < 1 << 63):
        raise bad_request("the parameter timeout is a number of microseconds")
    return timeout / 1e6 if timeout else None


def read_request(body: Buffer, header_length: str | None) -> InferenceRequest:
    """Read the body of a request, of which `header_length` bytes are JSON. Raises RequestError."""
    length, data = json_length_of(body, header_length), memoryview(body)
    text = bytes(data[:length])
    request = _dict(_json(text), "the body")
    rest = _Rest(data[length:])
    parameters = _dict(request.get("parameters", {}), "parameters")
    inputs = [_input(each, rest) for each in _list(request.get("inputs"), "inputs")]
    if rest.left():
        raise bad_request(f"{rest.left()} bytes after the JSON belong to no input")
    names = [each.name for each in inputs]
    if len(set(names)) != len(names):
        raise bad_request("two inputs have the same name")
    binary = _bool(parameters.get("binary_data_output", False), "binary_data_output")
    outputs = [_output(each, binary) for each in _list(request.get("outputs", []), "outputs")]
    if len({name for name, _ in outputs}) != len(outputs):
        raise bad_request("two outputs have the same name")
    timeout_in(parameters)
    if _is_infinite(parameters) or any(_is_infinite(each.value) for each in inputs if each.datatype != BYTES):
        _json(text, parse_float=_finite)  # Which takes long, and finds numbers that are only too large.
    return InferenceRequest(
        id=_text(request.get("id", ""), "id"),
        inputs=inputs,
        outputs=dict(outputs),
        binary=binary,
        parameters={name: each for name, each in parameters.items() if name not in _FOR_THE_SERVER},
    )


def _json(text: bytes, *, parse_float: Callable[[str], float] | None = None) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_object, parse_float=parse_float)
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is no JSON: {error}") from None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object, of which readers would take one value or the other where it has a name twice."""
    made = dict(pairs)
    if len(made) != len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        raise ValueError(f"an object has the name {twice[:40]!r} twice")
    return made


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise ValueError(f"the number {text[:20]} is too large")
    return number


def _is_infinite(value: Any) -> bool:
    """Whether a value that was read has an infinite number in it."""
    if isinstance(value, (list, tuple)):
        return any(map(_is_infinite, value))
    if isinstance(value, dict):
        return any(map(_is_infinite, value.values()))
    if isinstance(value, float):
        return math.isinf(value)
    return hasattr(value, "isinf") and bool(value.isinf().any())


def write_response(request: InferenceRequest, result: Any, model: str, version: str) -> InferenceResponse:
    """Write the result of a model. Raises RequestError where it cannot be had as it is asked for."""
    try:
        named = _named(result)
        unknown = [name for name in request.outputs if name not in named]
        if unknown:
            raise bad_request(f"there is no output {unknown[0]!r}; there are {', '.join(named)}")
        outputs = [Output(name, named[name]) for name in request.outputs or named]
    except TypeError as error:
        raise RequestError(500, f"the result of the model cannot be sent: {error}") from None
    described: list[str] = []
    data: list[bytes] = []
    for output in outputs:
        entry: dict[str, Any] = {"name": output.name, "datatype": output.datatype, "shape": output.shape}
        if request.outputs.get(output.name, request.binary):
            data.append(output.data())
            entry["parameters"] = {"binary_data_size": len(data[-1])}
            described.append(json.dumps(entry))
        else:
            try:
                described.append(_with(entry, "data", output.as_json()))
            except UnicodeDecodeError:
                raise bad_request(
                    f"output {output.name!r} has bytes that are no texts: ask for it with binary_data"
                ) from None
    value = {"model_name": model, "model_version": version}
    whole = {"id": request.id, **value} if request.id else value
    text = _with(whole, "outputs", f"[{', '.join(described)}]").encode()
    return InferenceResponse(
        body=b"".join([text, *data]), json_length=len(text) if data else None, outputs=outputs
    )


def _with(value: dict[str, Any], name: str, text: str) -> str:
    """Write an object that has a member more, whose value is JSON already."""
    return f"{json.dumps(value)[:-1]}, {json.dumps(name)}: {text}}}"


class _Rest:
    """The bytes after the JSON, taken one input after the other."""

    def __init__(self, data: memoryview) -> None:
        self._data = data

    def take(self, size: int, name: str) -> memoryview:
        if size > len(self._data):
            raise bad_request(f"input {name!r} has {size} bytes, of which {len(self._data)} came")
        taken, self._data = self._data[:size], self._data[size:]
        return taken

    def left(self) -> int:
        return len(self._data)


def _input(value: Any, rest: _Rest) -> Input:
    given = _dict(value, "an input")
    name, datatype = (
        _text(given.get("name"), "the name of an input"),
        _text(given.get("datatype"), "datatype"),
    )
    shape = _list(given.get("shape"), f"the shape of {name!r}")
    if not all(type(size) is int and 0 <= size < 1 << 63 for size in shape) or len(shape) > _MOST_DIMENSIONS:
        raise bad_request(f"the shape of input {name!r} is wrong")
    parameters = _dict(given.get("parameters", {}), f"the parameters of {name!r}")
    size = parameters.get("binary_data_size")
    if size is None:
        if "data" not in given:
            raise bad_request(f"input {name!r} has no data")
        made = tensor_of_data(name, datatype, shape, given["data"])
    else:
        if type(size) is not int or size < 0 or "data" in given:
            raise bad_request(f"input {name!r} has a wrong binary_data_size, or data besides")
        made = tensor_of_bytes(name, datatype, shape, rest.take(size, name))
    return Input(name=name, datatype=datatype, dimensions=len(shape), value=made)


def _output(value: Any, binary: bool) -> tuple[str, bool]:
    given = _dict(value, "an output")
    parameters = _dict(given.get("parameters", {}), "the parameters of an output")
    if "classification" in parameters:
        raise bad_request("this server has no classification of outputs")
    as_bytes = _bool(parameters.get("binary_data", binary), "binary_data")
    return _text(given.get("name"), "the name of an output"), as_bytes


def outputs_of(result: Any) -> list[Output]:
    """Return all outputs of a result. Raises TypeError for what cannot be sent."""
    return [Output(name, value) for name, value in _named(result).items()]


def _named(result: Any) -> dict[str, Any]:
    """Return the outputs of a result by name. Raises TypeError where two have the same."""
    if isinstance(result, Mapping):
        named = {str(name): value for name, value in result.items()}
        if len(named) != len(result):
            raise TypeError("two outputs have the same name")
        return {name: value for name, value in named.items() if value is not None}
    if is_dataclass(result) and not isinstance(result, type):
        return {
            each.name: getattr(result, each.name)
            for each in fields(result)
            if getattr(result, each.name) is not None
        }
    if isinstance(result, tuple) and hasattr(result, "_fields"):
        return dict(zip(result._fields, result, strict=True))
    if isinstance(result, (list, tuple)) and result and all(map(_is_array, result)):
        return {f"output__{index}": value for index, value in enumerate(result)}
    return {"output__0": result}


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and not isinstance(value, (str, bytes))


def _dict(value: Any, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise bad_request(f"{what} must be an object")
    return value


def _list(value: Any, what: str) -> list[Any]:
    if not isinstance(value, list):
        raise bad_request(f"{what} must be a list")
    return value


def _bool(value: Any, what: str) -> bool:
    if not isinstance(value, bool):
        raise bad_request(f"{what} must be true or false")
    return value


def _text(value: Any, what: str) -> str:
    if not isinstance(value, str):
        raise bad_request(f"{what} must be a text")
    return value
