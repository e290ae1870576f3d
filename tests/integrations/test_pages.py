"""The pages on servers and registries of others can be followed, where their libraries are installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integrations.servers import free_port, python, server

PAGES = Path(__file__).resolve().parents[2] / "docs/how-to"
BLOCK = re.compile(r"(?:^`(?P<file>[\w./]+)`:\n\n)?^```python\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(
    ("page", "library"), [("keep-models-in-mlflow.md", "mlflow"), ("serve-on-a-ray-cluster.md", "ray")]
)
def test_the_page_can_be_followed(page, library, tmp_path):
    program = follow(page, library, tmp_path)
    assert program
    (tmp_path / "page.py").write_text("\n".join(program), encoding="utf-8")
    # Paths of sockets are short.
    with tempfile.TemporaryDirectory(prefix="hp", dir="/tmp", ignore_cleanup_errors=True) as folder:
        environ = {**os.environ, "TMPDIR": folder}
        done = subprocess.run(
            python("page.py"),
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert done.returncode == 0, done.stderr


def follow(page: str, library: str, folder: Path) -> list[str]:
    """Write the files of a page, and return its programs."""
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed here: `make integrations` has it")
    program = []
    for match in BLOCK.finditer((PAGES / page).read_text(encoding="utf-8")):
        if match["file"]:
            (folder / match["file"]).write_text(match["text"], encoding="utf-8")
        else:
            program.append(match["text"])
    return program


ONE = [[1.0, 2.0, 3.0]]
V2 = {"inputs": [{"name": "x", "shape": [1, 3], "datatype": "FP32", "data": [1.0, 2.0, 3.0]}]}


@pytest.mark.parametrize(
    ("page", "library", "command", "ports", "ready", "address", "given", "expected"),
    [
        (
            "serve-with-litserve.md",
            "litserve",
            ["serve_scores.py"],
            "port=8000",
            "health",
            "predict",
            {"inputs": ONE},
            {"outputs": [[12.0, 12.0]]},
        ),
        (
            "serve-with-bentoml.md",
            "bentoml",
            ["-m", "bentoml", "serve", "service:Scores", "--port", "8000"],
            "8000",
            "readyz",
            "predict",
            {"inputs": ONE},
            [[12.0, 12.0]],
        ),
        (
            "serve-with-kserve.md",
            "kserve",
            ["serve_scores.py"],
            "http_port=8080",
            "v2/health/ready",
            "v2/models/scores/infer",
            V2,
            [12.0, 12.0],
        ),
    ],
)
def test_the_server_of_the_page_answers(
    page, library, command, ports, ready, address, given, expected, tmp_path, artifact
):
    follow(page, library, tmp_path)
    shutil.copy(artifact(2.0), tmp_path / "scores.pt")
    port = str(free_port())
    before = re.search(r"\d+", ports)[0]
    for file in tmp_path.glob("*.py"):
        file.write_text(file.read_text().replace(ports, ports.replace(before, port)))
    words = python(*[port if word == before else word for word in command])
    environ = {"BENTOML_HOME": str(tmp_path / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    with server(words, f"http://127.0.0.1:{port}/{ready}", tmp_path / "log.txt", cwd=tmp_path, **environ):
        body = json.dumps(given).encode()
        url = f"http://127.0.0.1:{port}/{address}"
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.loads(response.read())
    assert (answer["outputs"][0]["data"] if library == "kserve" else answer) == expected
