"""The code on the page about serving runs."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "serve-from-many-workers.md"


def test_the_code_of_the_page_runs(tmp_path, monkeypatch, warm_torch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for code in re.findall(
        r"^```python\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    ):
        exec(compile(code, PAGE.name, "exec"), names)
    assert len(names["many"]) == 100
