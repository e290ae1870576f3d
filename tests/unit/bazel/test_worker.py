"""The worker protocol: requests that arrive in any pieces, answers one for one."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any, BinaryIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.bazel.worker import read_objects, serve


def piped(chunks: Sequence[bytes]) -> Iterator[BinaryIO]:
    reading, writing = os.pipe()

    def write() -> None:
        for chunk in chunks:
            os.write(writing, chunk)
        os.close(writing)

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as stream:
        yield stream
    thread.join()


def objects_of(*chunks: bytes) -> list[Any]:
    for stream in piped(chunks):
        return list(read_objects(stream))
    raise AssertionError


texts = st.text(max_size=20)
requests = st.fixed_dictionaries({"arguments": st.lists(texts, max_size=3), "requestId": st.integers(0, 99)})


@given(
    st.lists(requests, max_size=4),
    st.lists(st.integers(1, 40), max_size=20),
    st.sampled_from(["", "\n", " "]),
)
def test_requests_are_read_however_they_are_cut(
    values: list[dict[str, Any]], cuts: list[int], between: str
) -> None:
    data = between.join(json.dumps(value, ensure_ascii=False) for value in values).encode(
        "utf-8", "surrogatepass"
    )
    data = data.decode("utf-8", "replace").encode()
    expected = [json.loads(json.dumps(v)) for v in _decoded(data)]
    chunks = []
    for cut in cuts:
        chunks.append(data[:cut])
        data = data[cut:]
    assert objects_of(*[chunk for chunk in [*chunks, data] if chunk]) == expected


def _decoded(data: bytes) -> list[Any]:
    decoder, text, values = json.JSONDecoder(), data.decode().lstrip(), []
    while text:
        value, end = decoder.raw_decode(text)
        values.append(value)
        text = text[end:].lstrip()
    return values


def test_each_request_is_answered_before_the_next_is_read() -> None:
    reading, writing = os.pipe()
    answers, answering = os.pipe()
    with os.fdopen(reading, "rb") as stream, os.fdopen(answering, "wb") as responses:
        thread = threading.Thread(target=serve, args=(lambda words: (len(words), "!"), stream, responses))
        thread.start()
        with os.fdopen(answers, "rb") as answered:
            os.write(writing, b'{"arguments": ["a", "b"], "requestId": 7}')
            assert json.loads(answered.readline()) == {"exitCode": 2, "output": "!", "requestId": 7}
            os.write(writing, b'{}\n{"arguments":["a"]}')
            assert json.loads(answered.readline())["exitCode"] == 0
            assert json.loads(answered.readline())["exitCode"] == 1
            os.close(writing)
            thread.join()


def test_a_request_that_is_cut_off_is_an_error() -> None:
    with pytest.raises(ValueError, match="cut off"):
        objects_of(b'{"arguments": ["a"], "req')


def test_no_request_is_no_answer() -> None:
    out = BytesIO()
    for stream in piped([]):
        serve(lambda words: (0, ""), stream, out)
    assert out.getvalue() == b""
