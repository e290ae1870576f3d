"""What can be imported of the standard library needs no rule, as with torch.package, file or not."""

from __future__ import annotations

import importlib
import io
import subprocess
import sys
import types

import pytest

pytest.importorskip("torch")

import torch.package

import hermpkg_build

IMPORTED = """
import importlib, sys, warnings
warnings.simplefilter("ignore")
names = sys.stdlib_module_names
for name in sorted(names - {"antigravity", "this", "idlelib", "turtle"}):
    try:
        importlib.import_module(name)
    except Exception:  # of another platform, or without its library
        pass
print(*sorted(name for name in sys.modules if "." in name and name.partition(".")[0] in names))
"""


@pytest.fixture(scope="module")
def names() -> list[str]:
    """The dotted names that a process has when it has imported the standard library."""
    run = subprocess.run([sys.executable, "-ISc", IMPORTED], capture_output=True, text=True, check=True)
    return run.stdout.split()


@pytest.mark.parametrize("exporting", [torch.package, hermpkg_build], ids=lambda module: module.__name__)
def test_its_modules_need_no_rule(names: list[str], exporting: types.ModuleType) -> None:
    assert {"os.path", "collections.abc", "xml.parsers.expat.errors"} < set(names)
    stream = io.BytesIO()
    with exporting.PackageExporter(stream) as exporter:
        exporter.save_source_string("app", "".join(f"import {name}\n" for name in names))
    if exporting is hermpkg_build:
        importer = exporting.PackageImporter(io.BytesIO(stream.getvalue()))
        assert importer.import_module("app").xml is importlib.import_module("xml")
