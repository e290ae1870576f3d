"""Bazel's protocol for persistent workers, in its JSON form: many actions in one process.

https://bazel.build/remote/creating: requests on standard input, one response for each on standard
output. Requests are JSON objects one after the other, with or without white space between them.
"""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO

_CHUNK = 1 << 16


def serve(
    handle: Callable[[Sequence[str]], tuple[int, str]], requests: BinaryIO, responses: BinaryIO
) -> None:
    """Answer every request with what `handle` makes of its arguments: an exit code and a text."""
    for request in read_objects(requests):
        code, output = handle(request.get("arguments", ()))
        response = {"exitCode": code, "output": output, "requestId": request.get("requestId", 0)}
        responses.write(json.dumps(response).encode() + b"\n")
        responses.flush()


def read_objects(stream: BinaryIO) -> Iterator[Any]:
    """The JSON values of a stream, each as soon as its last byte is there.

    Raises ValueError where the stream ends inside of one.
    """
    decode = json.JSONDecoder().raw_decode
    decoder = codecs.getincrementaldecoder("utf-8")()
    text = ""
    searched = 0
    while True:
        chunk = os.read(stream.fileno(), _CHUNK)
        text += decoder.decode(chunk, final=not chunk)
        # An object can only be whole where a brace was closed since the last look.
        while "}" in text[searched:]:
            start = len(text) - len(text.lstrip())
            try:
                value, end = decode(text, start)
            except json.JSONDecodeError:
                break
            yield value
            text, searched = text[end:], 0
        searched = len(text)
        if not chunk:
            break
    if text.strip():
        raise ValueError(f"the last request is cut off: {text[:200]!r}")
