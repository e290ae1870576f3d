"""The programs that pages show run, each page's one after the other, after what the reader has already."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.followed_pages import steps

REPOSITORY = Path(__file__).resolve().parents[2]

NET = """
from pathlib import Path

Path("models").mkdir()
Path("models/__init__.py").touch()
Path("models/net.py").write_text(
    "import torch\\nclass Net(torch.nn.Linear):\\n    def __init__(self):\\n        super().__init__(2, 1)\\n"
)
"""
PICKLED = """
from hermpkg_build import PackageExporter

with PackageExporter("{name}") as exporter:
    exporter.save_pickle("model", "model.pkl", [1, 2])
"""
BEFORE = {
    "docs/how-to/from-a-training-script.md": "model, x = {'a': 1}.get, 'a'\n",
    "docs/how-to/get-the-tensors-out.md": "",
    "docs/how-to/load-a-file-from-a-stranger.md": PICKLED.format(name="words.pt")
    + "Path = __import__('pathlib').Path\nPath('trust.toml').write_text('[[artifact]]\\n')\n",
    "docs/how-to/load-in-a-service.md": PICKLED.format(name="resnet.pt"),
    "docs/how-to/migrate-from-torch-package.md": f"{NET}\nfrom models.net import Net\nmodel = Net()\n",
    "docs/how-to/serve-from-many-workers.md": "",
    "docs/how-to/ship-a-model.md": PICKLED.format(name="models.pt"),
    "docs/how-to/with-a-type-checker.md": f"""{NET}
from models.net import Net
from hermpkg_build import PackageExporter

with PackageExporter("model.pt") as exporter:
    exporter.intern("models.**")
    exporter.save_pickle("model", "model.pkl", Net())
    exporter.save_pickle("model", "other.pkl", Net())
    exporter.save_pickle("model", "weights.pkl", Net().state_dict())
""",
    "docs/tutorial/from-a-project.md": PICKLED.format(name="greeter.pt"),
    "README.md": PICKLED.format(name="resnet.pt") + "import hermpkg_build\nmodel, x = {'a': 1}.get, 'a'\n",
}
"""What is there before the programs of a page begin."""

WITHOUT_TORCH = ("load-a-file", "load-in", "ship-a", "from-a", "README")
PARTS = {"docs/how-to/from-a-training-script.md": 2}
"""How many programs of a page can run; the others name libraries that are examples."""

ELSEWHERE = {
    "docs/how-to/a-src-layout.md": "a line of a program",
    "docs/how-to/from-a-notebook.md": "tests/e2e/test_notebook.py",
    "docs/how-to/keep-models-in-mlflow.md": "tests/integrations/test_pages.py",
    "docs/how-to/push-to-a-registry.md": "asks a registry that is an example",
    "docs/how-to/serve-on-a-ray-cluster.md": "tests/integrations/test_pages.py",
    "docs/reference/build-files.md": "tests/unit/loading/test_reference.py",
}
"""Where, or why not, the programs of other pages run."""


def programs(page: Path) -> list[str]:
    return [text for file, language, text in steps(page) if language == "python" and file is None]


@pytest.mark.parametrize("name", BEFORE)
def test_the_programs_of_a_page_run(name: str, tmp_path: Path) -> None:
    if not any(start in name for start in WITHOUT_TORCH):
        pytest.importorskip("torch")
    code = programs(REPOSITORY / name)[: PARTS.get(name)]
    assert code
    (tmp_path / "program.py").write_text("\n".join([BEFORE[name], *code]), encoding="utf-8")
    command = [sys.executable, "program.py"]
    outcome = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert outcome.returncode == 0, outcome.stderr


def test_each_page_with_programs_has_them_run() -> None:
    pages = sorted([*(REPOSITORY / "docs").rglob("*.md"), REPOSITORY / "README.md"])
    shown = {str(page.relative_to(REPOSITORY)) for page in pages if programs(page)}
    reference = {
        name for name in shown if name.startswith("docs/reference/python-")
    }  # test_docs.py runs these
    assert shown - reference == {*BEFORE, *ELSEWHERE}
