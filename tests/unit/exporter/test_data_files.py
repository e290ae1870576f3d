"""The data files that come with packed modules."""

import _ctypes
import ctypes
import shutil
import sys

import pytest


def save_lib(exporter):
    exporter.intern("lib.**")
    exporter.extern("**")
    exporter.add_dependency("lib")


def test_a_library_that_is_loaded_is_packed_whatever_names_it(project):
    project.module("lib.__init__", "")
    path = project.root / "lib" / f"lib{'x' * 3}_{sys.version_info.minor}.so"
    shutil.copyfile(_ctypes.__file__, path)
    ctypes.CDLL(str(path))
    assert f"lib/{path.name}" in project.records(save_lib)


@pytest.mark.parametrize("init", ["", None])
def test_data_in_a_package_is_packed(project, init):
    project.module("lib.__init__", "from importlib import resources\nFILES = resources.files('lib.data')\n")
    (project.root / "lib/data").mkdir()
    (project.root / "lib/data/words.txt").write_text("one two")
    if init is not None:
        project.module("lib.data.__init__", init)
    importer = project.load(save_lib)
    assert importer.import_module("lib").FILES.joinpath("words.txt").read_text() == "one two"
