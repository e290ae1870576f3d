"""What --profile writes, opened in speedscope, a viewer of trace events, in a real browser."""

from __future__ import annotations

import base64
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

VIEWER = Path(__file__).parent / "node_modules" / "speedscope" / "dist" / "release" / "index.html"
BUILD = """\
load("@hermpkg//rules:defs.bzl", "intern", "model_package", "python_modules")
python_modules(name = "code", srcs = ["net.py"])
model_package(name = "net", modules = ["app.net"], deps = [":code"], policy = [intern("app.**")])
"""


def test_a_viewer_shows_the_spans_of_a_build(browser: Any, tmp_path: Path) -> None:
    if not VIEWER.exists():
        pytest.skip("there is no speedscope: sh tests/browser/install.sh")
    (tmp_path / "app").mkdir()
    (tmp_path / "pyproject.toml").write_text("[tool.hermpkg]\n")
    (tmp_path / "app/net.py").write_text("x = 1\n")
    (tmp_path / "app/BUILD").write_text(BUILD)
    words = ["--cache-dir", "cache", "build", "//app:net", "--profile", "profile.json"]
    subprocess.run([sys.executable, "-m", "hermpkg_build", *words], cwd=tmp_path, check=True)
    given = base64.b64encode((tmp_path / "profile.json").read_bytes()).decode()
    script = tmp_path / "given.js"
    script.write_text(f"speedscope.loadFileFromBase64('profile.json', {json.dumps(given)})")
    page = browser.open(f"{VIEWER.as_uri()}#localProfilePath={str(script).lstrip('/')}")
    try:
        page.wait("document.title.startsWith('profile.json')")
        page.press("3")  # its table of spans, one thread at a time
        shown = set()
        for key in "npp":
            page.wait("document.body.innerText.includes('Symbol Name')")
            shown.update(page.run("document.body.innerText").splitlines())
            page.press(key)
        for span in ("load BUILD files", "resolve //app:net", "assemble //app:net"):
            assert any(line.strip().startswith(span) for line in shown), (span, shown)
        assert page.problems() == []
    finally:
        page.close()
