"""Modules that are hidden from a process: it is as if they were not installed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import importlib, importlib.metadata, importlib.util, json, sys
import lib
from hermpkg_build.factories.hidden_modules import HiddenModules

names = {"lib", "lib.part", "json.more", "colorsys", "json", "wave.part"}
HiddenModules(names.__contains__, "{name} is packed", ["A.Lib"]).install()
assert "lib" not in sys.modules
for name in ("lib", "lib.part"):
    assert importlib.util.find_spec("lib") is None
    try:
        importlib.import_module(name)
    except ModuleNotFoundError as error:
        assert (str(error), error.name) == ("lib is packed", "lib")
    else:
        raise AssertionError(name)
try:
    import json.more
except ModuleNotFoundError as error:
    assert error.name == "json.more"
else:
    raise AssertionError("json.more")
# Those of the standard library, not those of the same names that stand before them.
import colorsys, json.tool
assert json.dumps([1]) == "[1]" and colorsys.rgb_to_hsv
import other
assert importlib.util.find_spec("other").origin == other.__file__
assert importlib.metadata.version("other") == "2"
try:
    importlib.metadata.version("a-lib")
except importlib.metadata.PackageNotFoundError:
    print("done")
importlib.invalidate_caches()
"""


def test_who_asks_is_told_that_there_is_none_and_an_import_fails(tmp_path: Path) -> None:
    (tmp_path / "colorsys.py").write_text("")
    for name, distribution, version in (("lib", "a_lib", 1), ("other", "other", 2)):
        (tmp_path / f"{name}.py").write_text("")
        folder = tmp_path / f"{distribution}-{version}.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Name: {distribution}\nVersion: {version}\n")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "done\n", done.stderr
