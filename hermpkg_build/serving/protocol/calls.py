"""A request as it came, and its answer as it goes: what a server and its workers hand each other.

A server moves bytes, and workers read and write them, so that there are as many processors for that as for
the model.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from pickle import PickleBuffer
from typing import Any, NamedTuple

from hermpkg_build.core.example_call import Arguments
from hermpkg_build.serving.protocol.arguments import arguments
from hermpkg_build.serving.protocol.description import Description, described
from hermpkg_build.serving.protocol.errors import no_version
from hermpkg_build.serving.protocol.inference import (
    InferenceRequest,
    json_length_of,
    read_request,
    timeout_in,
    write_response,
)
from hermpkg_build.serving.requests import Parameter


class Asked(NamedTuple):
    """A request: its body, the header that says how much of it is JSON, and the name of the model.

    `version` is the one that is asked for, "" for any. With `describe`, the answer says what the model takes
    and gives, too.
    """

    body: PickleBuffer
    header_length: str | None
    model: str
    version: str
    describe: bool


class Answered(NamedTuple):
    """An answer: its body, how much of that is JSON where there are bytes after it, and a description.

    `version` is the one that has answered, whichever was served when the request came.
    """

    body: PickleBuffer | bytes | bytearray
    json_length: int | None
    version: int
    description: Description | None


def read_call(
    asked: Asked, parameters: Sequence[Parameter], version: int
) -> tuple[Arguments, Callable[[Any], Answered]]:
    """Return the arguments that a request gives, and what makes the answer of this version of the result.

    Both raise RequestError.
    """
    if asked.version not in ("", str(version)):
        raise no_version(asked.version, version)
    request = read_request(asked.body, asked.header_length)
    return arguments(parameters, request.inputs, request.parameters), partial(
        _answer, asked, request, version
    )


def timeout_of(body: bytes, header_length: str | None) -> float | None:
    """Return the seconds that a request gives its call, None where it says nothing of that, or is wrong.

    Most say nothing, and to read one takes long beside the rest of what a server does for it.
    """
    with suppress(Exception):
        text = body[: json_length_of(body, header_length)]
        is_utf8 = json.detect_encoding(text).startswith("utf-8")
        if is_utf8 and b'"timeout"' not in text and b"\\u" not in text:
            return None
        return timeout_in(json.loads(text)["parameters"])
    return None


def _answer(asked: Asked, request: InferenceRequest, version: int, result: Any) -> Answered:
    response = write_response(request, result, asked.model, str(version))
    description = None
    if asked.describe:
        description = {
            "inputs": [described(each.name, each.datatype, each.dimensions) for each in request.inputs],
            "outputs": [described(each.name, each.datatype, len(each.shape)) for each in response.outputs],
        }
    return Answered(PickleBuffer(response.body), response.json_length, version, description)
