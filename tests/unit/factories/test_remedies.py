"""Next steps for factories that fail, by what they raised."""

from __future__ import annotations

import pickle
import sys
import types
from pathlib import Path

import pytest

from hermpkg_build.factories.remedies import remedy, step_for_absent_file, step_for_compiled

RENAME = "give your {} another name"


def raised(statement: str) -> Exception:
    with pytest.raises(Exception) as caught:  # noqa: PT011 -- whatever it raises
        exec(statement, {})
    return caught.value


def own_module(name: str, file: str) -> AttributeError:
    module = types.ModuleType(name)
    module.__file__ = file
    with pytest.raises(AttributeError) as caught:
        _ = module.system
    return caught.value


@pytest.mark.parametrize("name", ["site", "sys", "types", "zipimport"])
def test_a_package_that_cannot_be_found_for_a_module_of_python_is_to_be_renamed(name: str) -> None:
    assert remedy([raised(f"import {name}.net")]).startswith(RENAME.format(name))


def test_code_that_stands_in_for_a_module_of_python_is_to_be_renamed() -> None:
    assert remedy([own_module("platform", "/project/platform/__init__.py")]).startswith(
        RENAME.format("platform")
    )
    lacking = ImportError("cannot import name 'A'", name="types", path="/project/types/__init__.py")
    assert remedy([lacking]).startswith(RENAME.format("types"))


def test_other_modules_keep_their_names() -> None:
    """Also those of Python: what they lack, they lack."""
    for statement in ("import no_such.net", "import json.no_such_thing as a", "from types import no_such"):
        step = remedy([raised(statement)])
        assert ("json" in statement) == bool(step), statement
    assert remedy([own_module("mine", "/project/mine.py")]) == ""


def test_a_file_that_is_not_there_is_to_be_made_or_fetched(tmp_path: Path) -> None:
    (tmp_path / "there.pt").write_bytes(b"")
    (tmp_path / "kept.pt.dvc").write_text("outs: []")

    def step_of(path: str) -> str:
        return step_for_absent_file([FileNotFoundError(2, "No such file", path)], str(tmp_path))

    assert step_of(str(tmp_path / "runs/a.pt")) == "runs/a.pt is not there: make or fetch it first"
    assert step_of("a.pt") == "a.pt is not there: make or fetch it first"
    assert step_of("kept.pt").endswith("as by\n    dvc pull kept.pt")
    assert step_of("there.pt") == step_of("../a.pt") == step_of("/no/such/a.pt") == ""
    assert step_for_absent_file([ValueError()], str(tmp_path)) == ""


@pytest.mark.parametrize("folder", ["empty", "absent"])
def test_what_lies_in_a_submodule_that_is_not_fetched_is_to_be_fetched(tmp_path: Path, folder: str) -> None:
    modules = '[submodule "data"]\n\tpath = libs/data\n\turl = ../data\n'
    (tmp_path / ".gitmodules").write_text(modules)
    place = tmp_path / "libs/data"
    if folder == "empty":
        place.mkdir(parents=True)
    error = FileNotFoundError(2, "No such file", str(place / "a.pt"))
    assert step_for_absent_file([error], str(tmp_path)).endswith("    git submodule update --init libs/data")
    place.mkdir(parents=True, exist_ok=True)
    (place / "b.pt").write_bytes(b"")
    assert "git" not in step_for_absent_file([error], str(tmp_path))


def test_a_pointer_of_git_lfs_that_is_read_as_a_model_is_told(tmp_path: Path) -> None:
    text = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n"
    errors = [raised(f"import pickle; pickle.loads({text!r})")]
    assert isinstance(errors[0], pickle.UnpicklingError)
    assert "git lfs pull" in remedy(errors)
    torch = pytest.importorskip("torch")
    safetensors = pytest.importorskip("safetensors.torch")
    (tmp_path / "a.pt").write_bytes(text)
    for read in (
        lambda: torch.load(tmp_path / "a.pt", weights_only=True),
        lambda: torch.load(tmp_path / "a.pt", weights_only=False),
        lambda: safetensors.load_file(tmp_path / "a.pt"),
    ):
        with pytest.raises(Exception) as caught:  # noqa: PT011
            read()
        assert "git lfs pull" in remedy([caught.value])


def test_a_machine_without_a_gpu_makes_models_on_its_cpu() -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises((AssertionError, RuntimeError)) as caught:
        torch.zeros(1).cuda()
    assert 'map_location="cpu"' in remedy([caught.value])


@pytest.mark.parametrize(
    "said",
    [
        "Can't get attribute 'Net' on <module '__main__' from '/x/train.py'>",
        "Can't get attribute 'Net' on <module '__main__' (built-in)>",
        "module '__main__' has no attribute 'Net'",  # Python 3.14
    ],
)
def test_a_class_that_only_a_script_has_is_to_be_put_there(said: str) -> None:
    assert remedy([AttributeError(said)]).endswith("\n    __main__.Net = Net")


BUILDS = {
    "meson.build": "py.extension_module('_fast', 'src/fast.c')",
    "CMakeLists.txt": "python_add_library(_fast MODULE src/main.cpp)",
    "Cargo.toml": '[lib]\nname = "_fast"',
    "setup.py": 'setup(ext_modules=[Extension("own._fast", ["c/all.c"])])',
    "pyproject.toml": '[tool.maturin]\nmodule-name = "own._fast"',
    "src/own/_fast.pyx": "",
    "README.md": "_fast",
    "setup.cfg": "_fast = 1",
}


@pytest.mark.parametrize("statement", ["import own._fast", "from own import _fast"])
@pytest.mark.parametrize("file", BUILDS)
def test_a_module_that_a_tool_compiles_is_named_as_such(tmp_path, monkeypatch, statement, file):
    """However it is imported, and wherever its source lies."""
    package = tmp_path / "src/own"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    (tmp_path / file).write_text(BUILDS[file])
    monkeypatch.syspath_prepend(str(package.parent))
    for name in [name for name in sys.modules if name.partition(".")[0] == "own"]:
        monkeypatch.delitem(sys.modules, name)
    step = step_for_compiled([raised(statement)], lambda path: path.startswith(str(tmp_path)))
    is_told = step.startswith("own._fast is compiled: move it to a distribution of its own")
    assert is_told == (file not in ("README.md", "setup.cfg")), step
