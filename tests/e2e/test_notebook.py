"""The how-to "from a notebook", as a real Jupyter kernel runs it."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageImporter

pytest.importorskip("ipykernel")
jupyter_client = pytest.importorskip("jupyter_client")

HOW_TO = Path(__file__).parents[2] / "docs/how-to/from-a-notebook.md"
PATIENCE_S = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a notebook ü")


@pytest.fixture(scope="module")
def run(folder: Path) -> Iterator[Callable[[str], str]]:
    """Run a cell; what it printed. A cell that fails fails the test, with its traceback."""
    manager = jupyter_client.KernelManager()
    manager.kernel_spec.argv[0] = sys.executable
    manager.start_kernel(cwd=str(folder))
    client = manager.client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=PATIENCE_S)

        def run_cell(source: str) -> str:
            printed: list[str] = []

            def take(message: dict[str, Any]) -> None:
                content = message["content"]
                printed.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

            reply = client.execute_interactive(source, timeout=PATIENCE_S, output_hook=take)
            assert reply["content"]["status"] == "ok", "\n".join(reply["content"]["traceback"])
            return "".join(printed)

        yield run_cell
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def cell_of_the_how_to() -> str:
    text = HOW_TO.read_text(encoding="utf-8")
    return text.split("```python\n", 1)[1].split("```", 1)[0]


def test_the_how_to_runs_in_a_kernel(run: Callable[[str], str], folder: Path) -> None:
    run("import dataclasses\nLIMIT = 3")
    run("@dataclasses.dataclass\nclass Answer:\n    value: int\n    words: str")
    run(
        "class Model:\n    def __init__(self, words):\n        self.words = words\n\n"
        "    def __call__(self, x):\n        return Answer(min(x, LIMIT), self.words)\n"
    )
    run("LIMIT = 4\nmodel, x = Model('first'), 9")
    # A cell that is run again, changed, gives the class that the model is of.
    run(
        "class Model:\n    def __init__(self, words):\n        self.words = words\n\n"
        "    def __call__(self, x):\n        return Answer(min(x, LIMIT) + 1, self.words)\n"
    )
    run("model = Model('second')")
    shown = run(cell_of_the_how_to())
    assert "notebook_main" in shown
    assert "checked: " in shown  # As printed: the cell ends with the report.
    with PackageImporter(folder / "model.pt") as importer:
        answer = importer.load_pickle("model", "model.pkl")(9)
    assert (answer.value, answer.words) == (5, "second")


def test_the_notebook_among_the_examples_runs(run: Callable[[str], str], folder: Path) -> None:
    pytest.importorskip("torch")
    notebook = Path(__file__).parents[2] / "examples/notebook/pack.ipynb"
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    printed = [run("".join(cell["source"])) for cell in cells if cell["cell_type"] == "code"]
    assert "notebook_main" in printed[-1]
    assert "checked: " in printed[-2]
    assert (folder / "line.pt").exists()
    assert not any(cell.get("outputs") for cell in cells), "kept without outputs, so that changes can be read"


def test_magics_and_top_level_await_do_no_harm(run: Callable[[str], str], folder: Path) -> None:
    run("%precision 3\nimport asyncio\nasync def two():\n    return 2\n\nnumber = await two()")
    run("!echo shell\nclass Adder:\n    def __call__(self, x):\n        return x + number\n")
    run("import hermpkg_build\nreport = hermpkg_build.pack(Adder(), 'adder.pt', example=(1,))")
    with PackageImporter(folder / "adder.pt") as importer:
        assert importer.load_pickle("model", "model.pkl")(1) == 3


def test_what_cannot_be_packed_names_the_cell(run: Callable[[str], str], folder: Path) -> None:
    run("lock = object()\nclass Locked:\n    def __call__(self):\n        return str(type(lock))\n")
    told = run(
        "try:\n    hermpkg_build.pack(Locked(), 'locked.pt', example=())\n"
        "except hermpkg_build.HermpkgError as error:\n    print(error)"
    )
    assert "lock" in told
    assert "cell In[" in told
    assert not (folder / "locked.pt").exists()


def test_an_import_and_its_use_in_one_cell(run: Callable[[str], str], folder: Path) -> None:
    """IPython compiles each statement by itself, so that functions know of no import beside them."""
    run(
        "import hermpkg_build, math\n"
        "class Rooted:\n    def __call__(self, x):\n        return math.sqrt(x)\n"
        "report = hermpkg_build.pack(Rooted(), 'rooted.pt', example=(9,))"
    )
    with PackageImporter(folder / "rooted.pt") as importer:
        assert importer.load_pickle("model", "model.pkl")(9) == 3


def test_a_script_that_a_cell_runs(run: Callable[[str], str], folder: Path) -> None:
    code = (
        "import math\nSCALE = 2\n"
        "class Scaled:\n    def __call__(self, x):\n        return math.sqrt(x) * SCALE\n"
    )
    (folder / "train it.py").write_text(code)
    run("%run 'train it.py'\nscaled = Scaled()")
    run("import hermpkg_build\nreport = hermpkg_build.pack(scaled, 'scaled.pt', example=(9,))")
    with PackageImporter(folder / "scaled.pt") as importer:
        assert importer.load_pickle("model", "model.pkl")(9) == 6
    (folder / "train it.py").write_text(code.replace("* SCALE", "+ SCALE"))
    told = run(
        "try:\n    hermpkg_build.pack(scaled, 'scaled.pt', example=(9,))\n"
        "except hermpkg_build.HermpkgError as error:\n    print(error)"
    )
    assert "train it.py:3" in told
    assert "is not what its source says now" in told
