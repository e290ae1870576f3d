"""What errors of packaged modules tell about mangled names and paths."""

from __future__ import annotations

import traceback

import pytest

from hermpkg_build import PackageImporter

LIBRARY = {
    "lib/__init__.py": "import lib.inner\n",
    "lib/inner.py": """
        def function():
            pass
        RAISE
    """,
}


def shown(importer: PackageImporter) -> str:
    """What Python prints of the error that importing the library ends in."""
    with pytest.raises(Exception, match=r"^") as error:
        importer.import_module("lib")
    return "".join(traceback.format_exception(error.value))


def library(raising: str) -> dict[str, str]:
    return {name: text.replace("RAISE", raising) for name, text in LIBRARY.items()}


def test_a_path_that_is_none_is_told_once_with_the_way_to_real_ones(load) -> None:
    text = shown(load(library("raise RuntimeError(f'no file {function.__code__.co_filename!r}')")))
    assert text.count('files = "real" in the model_package') == 1
    assert "lib/inner.py is in the artifact" in text


def test_a_file_that_is_not_found_is_told_so(load) -> None:
    text = shown(load(library("open(__file__ + '/words.txt')")))
    assert 'PackageImporter(..., files="real")' in text


def test_a_name_that_is_refused_is_told_with_ways_out(load) -> None:
    text = shown(load(library("raise ValueError(f'{__name__} is no identifier')")))
    assert "Names of packaged modules begin with <torch_package_" in text
    assert "extern the module" in text


@pytest.mark.parametrize(
    "raising",
    [
        "import sys; sys.modules[__name__].nothing",
        "from lib import nothing",
        "raise ValueError('it is something else')",
        "raise RuntimeError(f'something else in {__name__}')",
        "undefined",
    ],
)
def test_other_errors_get_no_note(load, raising: str) -> None:
    text = shown(load(library(raising), ["sys"]))
    assert "files" not in text.rpartition("Error")[2]
    assert "begin with" not in text


def test_real_paths_need_no_note(load) -> None:
    text = shown(load(library("raise RuntimeError(function.__code__.co_filename)"), files="real"))
    assert "model_package" not in text


def test_what_is_missing_in_a_mere_folder_is_told_with_what_packs_it(load) -> None:
    importer = load(
        {"lib/folder/part.py": "x = 1\n", "main.py": "import lib.folder.part\nlib.folder.Thing\n"}
    )
    with pytest.raises(AttributeError, match=r'add_dependency\("lib.folder"\)') as error:
        importer.import_module("main")
    assert error.value.name == "Thing"
    folder = importer.import_module("lib.folder")
    assert not hasattr(folder, "__all__")
    assert folder.part.x == 1
