"""A model is made again when anything changes that its factory asked the file system about."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from hermpkg_build import PackageImporter

BUILD = """
python_modules(name = "modules", srcs = glob(["*.py"]))
model(name = "thing", factory = "app.factory:make", deps = [":modules"])
model_package(name = "app", models = {"m/x.pkl": ":thing"}, policy = [deny("**")], deps = [":modules"])
"""


@pytest.fixture
def models(workspace: Any) -> Any:
    """A workspace with a model that needs neither torch nor any module to be loaded."""
    workspace.build_file(BUILD)
    workspace.write("app/__init__.py", "")
    return workspace


def made(models: Any, **options: Any) -> Any:
    """The model of a build."""
    models.build("//app", **options)
    with PackageImporter(models.root / "hermpkg-out/app/app.pt") as importer:
        return importer.load_pickle("m", "x.pkl")


@pytest.mark.parametrize(
    ("looking", "without", "with_it"),
    [
        ("open(path).read() if os.access(path, os.R_OK) else 'none'", "none", "text"),
        ("os.path.exists(path)", False, True),
        ("pathlib.Path(path).exists()", False, True),
        ("[open(f).read() for f in glob.glob(os.path.dirname(path) + '/*')]", [], ["text"]),
        ("os.listdir(os.path.dirname(path))", [], ["file.txt"]),
        ("[entry.name for entry in os.scandir(os.path.dirname(path))]", [], ["file.txt"]),
        ("read_or_none(path)", None, "text"),
    ],
)
def test_a_file_that_appears_where_the_factory_looked(
    models: Any, looking: str, without: object, with_it: object
) -> None:
    (models.root / "data").mkdir()
    models.write(
        "app/factory.py",
        f"""
        import glob, os, pathlib

        path = os.path.join(os.path.dirname(os.path.dirname(__file__)), "data", "file.txt")

        def read_or_none(path):
            try:
                return open(path).read()
            except OSError:
                return None

        def make():
            return {looking}
        """,
    )
    assert made(models) == without
    assert models.build("//app").target["status"] == "up-to-date"
    models.write("data/file.txt", "text")
    assert made(models) == with_it
    (models.root / "data/file.txt").unlink()
    assert made(models) == without
    assert models.build("//app").ran("make-model") == 0


def test_a_file_outside_the_workspace(models: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("one")
    models.write("app/factory.py", f"def make(): return open({str(outside)!r}).read()")
    assert made(models) == "one"
    outside.write_text("two")
    assert made(models) == "two"


def test_what_a_factory_wrote_itself_is_no_input(models: Any, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    models.write(
        "app/factory.py",
        f"""
        def make():
            open({str(scratch)!r}, "w").write("x")
            return open({str(scratch)!r}).read()
        """,
    )
    assert made(models) == "x"
    scratch.unlink()
    outcome = models.build("//app")
    assert outcome.target["status"] == "up-to-date"
    assert outcome.stderr == ""


def test_an_installed_module_that_appears_or_is_shadowed(models: Any, tmp_path: Path) -> None:
    library = tmp_path / "library"
    for path, text in {"__init__.py": "", "a.py": "X = 1", "sub/__init__.py": ""}.items():
        file = library / "lib" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    models.write(
        "app/factory.py",
        """
        import lib.a, lib.sub

        def make():
            try:
                from lib.sub import optional
            except ImportError:
                return [lib.a.X, None]
            return [lib.a.X, optional.X]
        """,
    )
    environment = {"PYTHONPATH": str(library)}
    assert made(models, env=environment) == [1, None]
    (library / "lib/sub/optional.py").write_text("X = 2")
    assert made(models, env=environment) == [1, 2]
    (library / "lib/a").mkdir()
    (library / "lib/a/__init__.py").write_text("X = 3")
    assert made(models, env=environment) == [3, 2]


def test_an_editable_install(models: Any, tmp_path: Path) -> None:
    """A package that an import hook finds outside of every folder of the search path."""
    (tmp_path / "project/lib").mkdir(parents=True)
    module = tmp_path / "project/lib/__init__.py"
    module.write_text("X = 1")
    models.write(
        "app/factory.py",
        f"""
        import importlib.util, sys

        def make():
            spec = importlib.util.spec_from_file_location("lib", {str(module)!r})
            lib = importlib.util.module_from_spec(spec)
            spec.loader.exec_module(lib)
            return lib.X
        """,
    )
    assert made(models) == 1
    before = module.stat()
    module.write_text("X = 22")
    os.utime(module, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert made(models) == 22


def test_weights_read_by_the_factory_with_safetensors(models: Any) -> None:
    numpy = pytest.importorskip("numpy")
    save_file = pytest.importorskip("safetensors.numpy").save_file
    path = models.root / "app/w.safetensors"
    models.write(
        "app/factory.py",
        """
        import os
        from safetensors.numpy import load_file

        def make():
            return float(load_file(os.path.join(os.path.dirname(__file__), "w.safetensors"))["x"])
        """,
    )
    for value in (1.0, 2.0):
        save_file({"x": numpy.array(value)}, path)
        assert made(models) == value


def test_an_edit_that_changes_no_code_makes_no_model_again(models: Any) -> None:
    """The artifact has the new source, and what tells of imports has the new lines."""
    models.build_file(BUILD.replace('[deny("**")]', '[intern("app.**"), deny("**")]'))
    loading = "import importlib\nclass Made:\n    x = importlib.import_module('app.part').X\nmake = Made\n"
    models.write("app/factory.py", loading)
    models.write("app/part.py", "X = 1\n")
    assert made(models).x == 1
    models.write("app/factory.py", f"# Why.\n\n{loading}")
    built = models.build("//app")
    assert (built.ran("make-model"), built.ran("assemble")) == (0, 1)
    assert "app/factory.py:5" in models.run("why", "//app", "app.part").stdout
    with PackageImporter(models.root / "hermpkg-out/app/app.pt") as importer:
        assert importer.get_source("app.factory").startswith("# Why.")
    models.write("app/factory.py", loading.replace(".X", ".X + 1"))
    again = models.run("build", "--explain", "//app")
    assert "make-model //app:thing: the code of //app/factory.py changed" in again.stdout
