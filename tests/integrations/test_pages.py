"""The pages on servers and registries of others can be followed, where their libraries are installed."""

from __future__ import annotations

import os
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.integrations.servers import python

PAGES = Path(__file__).resolve().parents[2] / "docs/how-to"
BLOCK = re.compile(r"(?:^`(?P<file>[\w./]+)`:\n\n)?^```python\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("page", "library"), [("keep-models-in-mlflow.md", "mlflow")])
def test_the_page_can_be_followed(page, library, tmp_path):
    if find_spec(library) is None:
        pytest.skip(f"{library} is not installed here: `make integrations` has it")
    program = []
    for match in BLOCK.finditer((PAGES / page).read_text(encoding="utf-8")):
        if match["file"]:
            (tmp_path / match["file"]).write_text(match["text"], encoding="utf-8")
        else:
            program.append(match["text"])
    assert program
    (tmp_path / "page.py").write_text("\n".join(program), encoding="utf-8")
    environ = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run(
        python("page.py"), cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
