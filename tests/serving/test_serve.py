"""`hermpkg serve`: the Open Inference Protocol as its clients speak it, limits, reloads and the end."""

from __future__ import annotations

import gzip
import http.client
import importlib
import json
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy
import pytest
import torch

import hermpkg_build
from hermpkg_build import PackageExporter
from tests.serving.load import Server, load, served, write_version

SOURCE = """
import os, time

def answer(x, times=1, kind=""):
    if kind == "words":
        return [[word.upper() for word in row] for row in x]
    if kind == "pair":
        return x, x.int()
    if kind == "wrong":
        raise ValueError("not that")
    if kind == "nothing":
        return [{}]
    return {"y": x * times, "first": x[:, 0]}

def slow(x):
    time.sleep(float(x[0]))
    return x
"""


@pytest.fixture(scope="module")
def artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("serve") / "app.pt"
    with PackageExporter(str(path)) as exporter:
        exporter.extern(["os", "time"])
        exporter.save_source_string("app", SOURCE)
    return path


@pytest.fixture(scope="module")
def server(artifact: Path) -> Iterator[Server]:
    with served(artifact, "--target", "app:answer", "--workers", "1", "--max-body", "1") as server:
        yield server


def ask(server: Server, path: str, body=None, headers=None, method=None):
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    connection.request(method or ("GET" if body is None else "POST"), path, body, headers or {})
    response = connection.getresponse()
    data = response.read()
    connection.close()
    return response, data


def infer(server: Server, inputs, **more):
    response, data = ask(server, "/v2/models/app/infer", json.dumps({"inputs": inputs, **more}))
    return response.status, json.loads(data)


X = {"name": "x", "datatype": "FP32", "shape": [2, 2], "data": [[1, 2], [3, 4]]}


def test_health_and_metadata(server):
    for path in (
        "/v2/health/live",
        "/v2/health/ready",
        "/v2/models/app/ready",
        "/v2/models/app/versions/1/ready",
    ):
        assert ask(server, path)[0].status == 200
    assert json.loads(ask(server, "/v2")[1])["extensions"] == ["binary_tensor_data"]
    assert infer(server, [X])[0] == 200
    described = json.loads(ask(server, "/v2/models/app")[1])
    assert described["name"] == "app"
    assert described["inputs"] == [{"name": "x", "datatype": "FP32", "shape": [-1, -1]}]
    assert {each["name"] for each in described["outputs"]} == {"y", "first"}


SCORES = """
import torch

class Scores(torch.nn.Module):
    def forward(self, x, times=1, *, words=("a",)):
        return {"y": x * times, "words": [word.upper() for word in words]}
"""


def test_an_example_says_what_the_model_takes_and_gives_before_any_request(tmp_path, monkeypatch):
    (tmp_path / "scores_of_test.py").write_text(SCORES)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = importlib.import_module("scores_of_test").Scores().eval()
    file, example = tmp_path / "scores.pt", {"x": torch.ones(2, 3), "times": 2, "words": ["b", "c"]}
    hermpkg_build.pack(model, file, example=example, keep_example=True)
    with served(file, "--workers", "1") as server:
        described = json.loads(ask(server, "/v2/models/scores")[1])
        assert described["inputs"] == [
            {"name": "x", "datatype": "FP32", "shape": [-1, -1]},
            {"name": "words", "datatype": "BYTES", "shape": [-1]},
        ]
        assert described["outputs"] == [
            {"name": "y", "datatype": "FP32", "shape": [-1, -1]},
            {"name": "words", "datatype": "BYTES", "shape": [-1]},
        ]
        hermpkg_build.pack(model, file, example=torch.ones(3, dtype=torch.int32), keep_example=True)
        server.process.send_signal(signal.SIGHUP)
        end = time.monotonic() + 300
        # Nothing is told of what a version takes until it was called with its example.
        while (described["versions"] == ["1"] or not described["inputs"]) and time.monotonic() < end:
            time.sleep(0.05)
            described = json.loads(ask(server, "/v2/models/scores")[1])
        assert described["inputs"] == [{"name": "x", "datatype": "INT32", "shape": [-1]}]


@pytest.mark.parametrize(
    ("source", "code", "told"),
    [
        (
            "import no_such_library\n\ndef f(x): pass\n",
            36,
            ["No module named 'no_such_library'", "hermpkg run"],
        ),
        ("raise ValueError('not here')\n", 1, ["ValueError: not here", "hermpkg shell --here"]),
    ],
)
def test_what_packed_code_raises_is_told(tmp_path, source, code, told):
    file = tmp_path / "it is.pt"
    with PackageExporter(str(file)) as exporter:
        exporter.extern("no_such_library")
        exporter.save_source_string("app", source)
    words = ["serve", str(file), "--port", "0", "--workers", "1", "--target", "app:f"]
    ran = subprocess.run(
        [sys.executable, "-m", "hermpkg_build", *words], capture_output=True, text=True, check=False
    )
    assert ran.returncode == code, ran.stderr
    assert [each for each in told if each not in ran.stderr] == []


def test_the_client_of_the_protocol(server):
    tritonclient = pytest.importorskip("tritonclient.http")

    client = tritonclient.InferenceServerClient(f"127.0.0.1:{server.port}")
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("app")
    assert client.get_model_metadata("app")["name"] == "app"
    for dtype, name in (
        (numpy.float32, "FP32"),
        (numpy.int64, "INT64"),
        (numpy.uint8, "UINT8"),
        (numpy.bool_, "BOOL"),
        (numpy.float64, "FP64"),
    ):
        x = numpy.arange(6).reshape(2, 3).astype(dtype)
        if name.startswith("FP"):
            x[0] = numpy.nan, numpy.inf, -numpy.inf
        for binary in (True, False):
            given = tritonclient.InferInput("x", x.shape, name)
            given.set_data_from_numpy(x, binary_data=binary)
            asked = [tritonclient.InferRequestedOutput("y", binary_data=binary)]
            for compression in (None, "gzip", "deflate"):
                result = client.infer(
                    "app",
                    [given],
                    outputs=asked,
                    request_id="7",
                    request_compression_algorithm=compression,
                    response_compression_algorithm=compression,
                )
                assert numpy.array_equal(result.as_numpy("y"), x * 1, equal_nan=name.startswith("FP"))
                assert result.get_response()["id"] == "7"
    result = client.infer("app", [given], parameters={"times": 3})
    assert result.as_numpy("first").shape == (2,)
    with pytest.raises(
        tritonclient.InferenceServerException
        if hasattr(tritonclient, "InferenceServerException")
        else Exception
    ):
        client.infer("other", [given])
    client.close()


@pytest.mark.parametrize(
    ("inputs", "more", "told"),
    [
        ([{**X, "shape": [2, 3]}], {}, "lists"),
        ([{**X, "shape": [2, 3], "data": [1, 2, 3, 4]}], {}, "4 values"),
        ([{**X, "shape": [-1, 2]}], {}, "shape"),
        ([{**X, "datatype": "FP31"}], {}, "FP31"),
        ([{**X, "datatype": "INT8", "data": [1, 2, 3, 1.5]}], {}, "another type"),
        ([{**X, "datatype": "INT8", "data": [1, 2, 3, 300]}], {}, "INT8"),
        ([{**X, "datatype": "BOOL", "data": [1, 0, 1, 0]}], {}, "another type"),
        ([X, X], {}, "same name"),
        ([{k: v for k, v in X.items() if k != "data"}], {}, "no data"),
        ([], {}, "needs the input 'x'"),
        ([X, {**X, "name": "z"}], {}, "no input 'z'"),
        ([X], {"parameters": {"size": 3}}, "no parameter 'size'"),
        ([X], {"outputs": [{"name": "none"}]}, "no output 'none'"),
        ([X], {"parameters": []}, "object"),
        (None, {}, "list"),
    ],
)
def test_requests_that_are_wrong(server, inputs, more, told):
    status, answer = infer(server, inputs, **more)
    assert status == 400
    assert told in answer["error"]


@pytest.mark.parametrize(
    ("path", "body", "headers", "status"),
    [
        ("/v2/models/none/infer", b"{}", {}, 404),
        ("/v2/models/app/versions/9/infer", b"{}", {}, 404),
        ("/v2/none", None, {}, 404),
        ("/infer", b"{}", {}, 404),
        ("/ready", None, {}, 404),
        ("/v2/models/app/metrics", None, {}, 404),
        ("/v2/models/app/v2/health/live", None, {}, 404),
        ("/v2/models/app/versions", None, {}, 404),
        ("/v2/models/app/infer", None, {}, 405),
        ("/v2/health/live", b"{}", {}, 405),
        ("/v2/models/app/infer", b"nothing", {}, 400),
        ("/v2/models/app/infer", b"[" * 100_000, {}, 400),
        ("/v2/models/app/infer", b"{}", {"Inference-Header-Content-Length": "3"}, 400),
        ("/v2/models/app/infer", b"{}", {"Content-Encoding": "br"}, 415),
        ("/v2/models/app/infer", b"{}", {"Content-Encoding": "gzip"}, 400),
        ("/v2/models/app/infer", bytes(2 << 20), {}, 413),
        ("/v2/models/app/infer", gzip.compress(bytes(9 << 20)), {"Content-Encoding": "gzip"}, 413),
    ],
)
def test_paths_and_bodies_that_are_wrong(server, path, body, headers, status):
    response, data = ask(server, path, body, headers)
    assert response.status == status
    assert json.loads(data)["error"]


def test_bytes_after_the_json(server):
    x = numpy.arange(4, dtype="<f4")
    entry = {"name": "x", "datatype": "FP32", "shape": [2, 2], "parameters": {"binary_data_size": 16}}
    text = json.dumps({"inputs": [entry], "parameters": {"binary_data_output": True}}).encode()
    length = {"Inference-Header-Content-Length": str(len(text))}
    response, data = ask(server, "/v2/models/app/infer", text + x.tobytes(), length)
    assert response.status == 200
    head = int(response.headers["Inference-Header-Content-Length"])
    outputs = json.loads(data[:head])["outputs"]
    assert [each["parameters"]["binary_data_size"] for each in outputs] == [16, 8]
    assert data[head : head + 16] == x.tobytes()
    for rest in (x.tobytes() + b"x", x.tobytes()[:-1], b""):
        assert ask(server, "/v2/models/app/infer", text + rest, length)[0].status == 400


def test_metrics(server):
    infer(server, [X])
    page = ask(server, "/metrics")[1].decode()
    assert 'hermpkg_requests_total{model="app",status="200"}' in page
    assert 'hermpkg_workers{model="app"} 1.0' in page


def test_texts_tuples_and_failures(server):
    data = b"".join(struct.pack("<I", len(text)) + text for text in (b"a", "é".encode()))
    entry = {"name": "x", "datatype": "BYTES", "shape": [1, 2], "parameters": {"binary_data_size": len(data)}}
    text = json.dumps({"inputs": [entry], "parameters": {"kind": "words"}}).encode()
    length = {"Inference-Header-Content-Length": str(len(text))}
    response, answer = ask(server, "/v2/models/app/infer", text + data, length)
    assert response.status == 200, answer
    (output,) = json.loads(answer)["outputs"]
    assert (output["datatype"], output["shape"], output["data"]) == ("BYTES", [1, 2], ["A", "É"])
    status, answer = infer(server, [{**X, "name": "INPUT0"}], parameters={"kind": "pair"})
    assert status == 200
    assert [each["name"] for each in answer["outputs"]] == ["output__0", "output__1"]
    assert [each["datatype"] for each in answer["outputs"]] == ["FP32", "INT32"]
    for kind, told in (("wrong", "ValueError: not that"), ("nothing", "cannot be sent")):
        status, answer = infer(server, [X], parameters={"kind": kind})
        assert status == 500
        assert told in answer["error"]


def seconds(value: float):
    return [{"name": "x", "datatype": "FP64", "shape": [1], "data": [value]}]


def test_limits_of_time_and_queue_and_a_graceful_end(artifact):
    options = ("--target", "app:slow", "--workers", "1", "--queue", "1", "--request-timeout", "3")
    with served(artifact, *options) as server:
        statuses: list[int] = []
        threads = [
            threading.Thread(target=lambda: statuses.append(infer(server, seconds(0.5))[0])) for _ in range(6)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(set(statuses)) == [200, 429]
        assert infer(server, seconds(60))[0] == 504
        with ExitStack() as stack:
            for _ in range(5):
                slow = stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
                slow.sendall(b"POST /v2/models/app/infer HTTP/1.1\r\nhost: x\r\ncontent-length: 90\r\n\r\n{")
            assert infer(server, seconds(0))[0] == 200
        status, _ = infer(server, seconds(60), parameters={"timeout": 200_000})
        assert status == 504
        running = threading.Thread(target=lambda: statuses.append(infer(server, seconds(1.0))[0]))
        statuses.clear()
        running.start()
        time.sleep(0.4)
        # Whoever asks twice, or for a reload meanwhile, gets the same end.
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            server.process.send_signal(signal.SIGHUP)
            time.sleep(0.005)
        running.join()
        assert statuses == [200]
        assert server.process.returncode == 0


def test_new_versions_and_killed_workers_lose_no_request(tmp_path):
    path = tmp_path / "app.pt"
    write_version(path, 1)
    with served(path, "--target", "app:answer", "--workers", "2", "--retries", "50") as server:
        inputs = [X, {**X, "name": "y", "shape": [2], "data": [0, 0]}]

        def version() -> str:
            status, answer = infer(server, inputs)
            assert status == 200
            (word,) = next(each["data"] for each in answer["outputs"] if each["name"] == "words")
            return word

        assert version() == "1"
        outcome = load(server, 200, pause=0.3, reloads=1)
        assert (outcome.lost, outcome.wrong) == (0, 0)
        write_version(path, -2)
        end = time.monotonic() + 300
        while version() != "-2":
            assert time.monotonic() < end
            time.sleep(0.05)


def test_who_reads_the_object_of_a_server_has_it_once_that_listens(artifact):
    words = ["--json", "serve", str(artifact), "--port", "0", "--workers", "1", "--target", "app:answer"]
    with subprocess.Popen(
        [sys.executable, "-m", "hermpkg_build", *words], stdout=subprocess.PIPE, text=True
    ) as process:
        too_late = threading.Timer(120, process.kill)
        too_late.start()
        try:
            assert process.stdout is not None
            text = "".join(iter(process.stdout.readline, "}\n")) + "}"
            told = json.loads(text)
            assert told.keys() == {"model", "url", "port", "workers"}
            with socket.create_connection(("127.0.0.1", told["port"]), timeout=60):
                pass
        finally:
            too_late.cancel()
            process.terminate()


def test_what_is_wrong_with_a_server_is_said_before_it_starts(tmp_path, artifact):
    def told(*words: str) -> tuple[int, str]:
        command = [sys.executable, "-m", "hermpkg_build", "serve", *words]
        ran = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
        return ran.returncode, ran.stderr

    code, text = told(str(artifact))
    assert code == 2
    assert "--target" in text
    code, text = told(str(artifact), "--target", "app")
    assert code == 2
    code, text = told(str(tmp_path / "none.pt"), "--target", "app:none")
    assert code
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, text = told(str(artifact), "--target", "app:answer", "--port", str(taken.getsockname()[1]))
    assert code == 36
    assert "--port" in text
