"""Forks of the warm process import nothing of ours: each would have it in memory of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from hermpkg_build import PackageExporter

WORKS = """
import sys
from importlib import import_module
from hermpkg_build.serving.inside import warm
for name in warm._LATER:
    import_module(name)
before = set(sys.modules)
from hermpkg_build.runtime.importer import PackageImporter
from hermpkg_build.serving.inside.running import Runner
from hermpkg_build.serving.requests import Callee
from hermpkg_build.serving.transfer import pack, unpack
with PackageImporter(sys.argv[1]) as importer:
    runner = Runner(importer, grad=False)
    for target in (("data", "words.pkl"), "app:echo"):
        runner.load(target)
    kind, parts = runner.run(Callee("app:echo", ""), pack(((1,), {})))
    assert (kind, unpack(parts, None)) == ("value", 1)
print(*(name for name in sys.modules if name not in before and name.startswith("hermpkg_build")))
"""


def test_what_workers_need_is_imported_before_they_are_forked(tmp_path: Path) -> None:
    path = tmp_path / "app.pt"
    with PackageExporter(str(path)) as exporter:
        exporter.save_source_string("app", "def echo(x): return x")
        exporter.save_pickle("data", "words.pkl", {"a": 1})
    words = [sys.executable, "-c", WORKS, str(path)]
    found = subprocess.run(words, capture_output=True, text=True, check=True)
    assert found.stdout.split() == []
