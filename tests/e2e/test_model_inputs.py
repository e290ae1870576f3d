"""A model is made again when anything changes that its factory asked the file system about."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
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
        ("os.path.lexists(path)", False, True),
        ("[read_or_none(path)]", [None], ["text"]),
    ],
)
@pytest.mark.parametrize("place", ["workspace", "library", "elsewhere"])
def test_a_file_that_appears_where_the_factory_looked(
    models: Any, tmp_path: Path, place: str, looking: str, without: object, with_it: object
) -> None:
    folders = {"workspace": models.root, "library": tmp_path / "library/lib", "elsewhere": tmp_path}
    folder = folders[place] / "data"
    folder.mkdir(parents=True)
    (tmp_path / "library").mkdir(exist_ok=True)
    environment = {"PYTHONPATH": str(tmp_path / "library")} if place == "library" else {}
    models.write(
        "app/factory.py",
        f"""
        import glob, os, pathlib

        path = os.path.join({str(folder)!r}, "file.txt")

        def read_or_none(path):
            try:
                return open(path).read()
            except OSError:
                return None

        def make():
            return {looking}
        """,
    )
    assert made(models, env=environment) == without
    assert models.build("//app", env=environment).target["status"] == "up-to-date"
    (folder / "file.txt").write_text("text")
    assert made(models, env=environment) == with_it
    (folder / "file.txt").unlink()
    assert made(models, env=environment) == without
    assert models.build("//app", env=environment).ran("make-model") == 0


@pytest.mark.parametrize("inside", [True, False])
@pytest.mark.parametrize(
    "looking",
    [
        "open(os.path.join(os.path.realpath(link), 'x.txt')).read()",
        "(pathlib.Path(link).resolve() / 'x.txt').read_text()",
        "open(os.path.join(os.path.dirname(link), os.readlink(link), 'x.txt')).read()",
        "open(os.path.join(os.path.realpath(link), os.listdir(os.path.realpath(link))[0])).read()",
    ],
)
def test_a_link_that_the_factory_followed_leads_elsewhere(
    models: Any, tmp_path: Path, looking: str, inside: bool
) -> None:
    folder = (models.root if inside else tmp_path) / "runs"
    for name in ("one", "two"):
        (folder / name).mkdir(parents=True)
        (folder / name / "x.txt").write_text(name)
    (folder / "latest").symlink_to("one")
    models.write(
        "app/factory.py",
        f"import os, pathlib\n\nlink = {str(folder / 'latest')!r}\n\ndef make():\n    return {looking}\n",
    )
    assert made(models) == "one"
    assert models.build("//app").target["status"] == "up-to-date"
    (folder / "latest").unlink()
    (folder / "latest").symlink_to("two")
    assert made(models) == "two"


def test_a_file_outside_the_workspace(models: Any, tmp_path: Path) -> None:
    outside = tmp_path / "outside.txt"
    outside.write_text("one")
    models.write("app/factory.py", f"def make(): return open({str(outside)!r}).read()")
    assert made(models) == "one"
    outside.write_text("two")
    assert made(models) == "two"


LOADS: dict[str, tuple[str, dict[str, object]]] = {
    "by its path": ("{here}/outer/libouter.so", {"outer/libouter.so": 2}),
    "by its name": ("libouter.so", {"outer/libouter.so": 2}),
    "by its name, first elsewhere": ("libouter.so", {"first/libouter.so": 2}),
    "by another one": ("{here}/needing/libneeding.so", {"inner/libinner.so": 2}),
    "by a link": ("{here}/needing/libneeding.so", {"inner/libinner.so": "libinner.so.2"}),
}


@pytest.mark.skipif(
    shutil.which("cc") is None or sys.platform != "linux", reason="no C compiler, or no Linux"
)
@pytest.mark.parametrize("how", LOADS)
def test_a_library_elsewhere_that_the_loader_opens(models: Any, tmp_path: Path, how: str) -> None:
    here = tmp_path / "libraries"
    for name in ("first", "outer", "inner", "needing"):
        (here / name).mkdir(parents=True)

    def make_library(path: str, value: str, *words: str) -> None:
        code = here / "code.c"
        code.write_text(f"int inner(void); int value(void) {{ return {value}; }}")
        subprocess.run(["cc", "-shared", "-fPIC", "-o", f"{here}/{path}.new", code, *words], check=True)
        (here / f"{path}.new").replace(here / path)

    def change(path: str, new: object) -> None:
        if isinstance(new, str):
            (here / path).unlink(missing_ok=True)
            (here / path).symlink_to(new)
        else:
            make_library(path, f"{new}; }} int inner(void) {{ return {new}")

    change("outer/libouter.so", 1)
    for number in (1, 2):
        change(f"inner/libinner.so.{number}", number)
    change("inner/libinner.so", "libinner.so.1")
    make_library("needing/libneeding.so", "inner()", f"{here}/inner/libinner.so", f"-Wl,-rpath,{here}/inner")
    library, changes = LOADS[how]
    models.write(
        "app/factory.py",
        f"import ctypes\ndef make(): return ctypes.CDLL({library.format(here=here)!r}).value()\n",
    )
    environment = {"LD_LIBRARY_PATH": f"{here}/first:{here}/outer"}
    assert made(models, env=environment) == 1
    assert models.build("//app", env=environment).target["status"] == "up-to-date"
    for path, new in changes.items():
        change(path, new)
    assert made(models, env=environment) == 2


def test_where_the_loader_looks_is_an_input(models: Any) -> None:
    models.write("app/factory.py", "import os\ndef make(): return os.environ.get('LD_LIBRARY_PATH')\n")
    for paths in ("/one", "/two"):
        assert made(models, env={"LD_LIBRARY_PATH": paths}) == paths


UNSEEN_READS = {
    "a process": "subprocess.run(['cat', path], capture_output=True, text=True).stdout",
    "a process in a folder": "subprocess.run(['cat', 'tool'], cwd=folder, capture_output=True).stdout",
    "a shell": "subprocess.run(f'cat < {path} | cat', shell=True, capture_output=True, text=True).stdout",
    "an option": "subprocess.run(['dd', f'if={path}'], capture_output=True, text=True).stdout",
    "an option in one": "subprocess.run(['grep', f'-f{path}'], input='echo one\\necho two', **told).stdout",
    "after commas": "subprocess.run(['sh', '-c', 'cat ${0##*,}', f'-Wl,-T,{path}'], **told).stdout",
    "after a sign": "subprocess.run(['sh', '-c', 'cat ${0#@}', f'@{path}'], **told).stdout",
    "an address": "subprocess.run(['sh', '-c', 'cat ${0#file://}', f'file://{path}'], **told).stdout",
    "a long option in one": "subprocess.run(['sh', '-c', 'cat ${0#-abc}', f'-abc{path}'], **told).stdout",
    "a folder in an option": "subprocess.run(['sh', '-c', 'ls ${0#-I}', f'-I{folder}'], **told).stdout",
    "a program": "subprocess.run([path], capture_output=True, text=True).stdout",
    "a folder": "subprocess.run(['ls', folder], capture_output=True, text=True).stdout",
    "a forked process": "in_fork(path)",
    "a pool": "multiprocessing.get_context('fork').Pool(1).map(read, [path])",
    "a database": "database(f'file:{path}.db?mode=ro').execute('select * from t').fetchall()",
}


@pytest.mark.parametrize("read", UNSEEN_READS.values(), ids=UNSEEN_READS)
def test_a_file_elsewhere_that_another_process_reads(models: Any, tmp_path: Path, read: str) -> None:
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    path = folder / "tool"
    models.write(
        "app/factory.py",
        f"""
        import functools, multiprocessing, os, sqlite3, subprocess

        path, folder = {str(path)!r}, {str(folder)!r}
        told = dict(capture_output=True, text=True)
        database = functools.partial(sqlite3.connect, uri=True)

        def read(path):
            return open(path).read()

        def in_fork(path):
            reading, writing = os.pipe()
            if not os.fork():
                os.write(writing, read(path).encode())
                os._exit(0)
            os.close(writing)
            return os.read(reading, 100).decode()

        def make():
            return {read}
        """,
    )

    def write(word: str) -> None:
        path.write_text(f"#!/bin/sh\necho {word}\n")
        path.chmod(0o755)
        with closing(sqlite3.connect(f"{path}.db")) as database, database:
            database.execute("create table if not exists t (word text)")
            database.execute("insert into t values (?)", [word])
        (folder / word).touch()

    write("one")
    before = made(models)
    assert models.build("//app").target["status"] == "up-to-date"
    write("two")
    assert "two" in str(made(models))
    assert "two" not in str(before)


def test_a_file_elsewhere_that_an_argument_names(models: Any, tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    args = f'args = {{"files": [{str(path)!r}]}}, deps'
    models.build_file(
        BUILD.replace('factory = "app.factory:make", deps', f'factory = "app.factory:make", {args}')
    )
    models.write(
        "app/factory.py",
        """
        import ctypes, os

        def make(files):
            libc = ctypes.CDLL(None)
            descriptor = libc.open(os.fsencode(files[0]), os.O_RDONLY)
            buffer = ctypes.create_string_buffer(100)
            libc.read(descriptor, buffer, 100)
            libc.close(descriptor)
            return buffer.value.decode()
        """,
    )
    for text in ("one", "two"):
        path.write_text(text)
        assert made(models) == text
    assert models.build("//app").target["status"] == "up-to-date"


def test_where_the_workspace_lies_is_no_input(models: Any, make_workspace: Any, tmp_path: Path) -> None:
    models.write("pyproject.toml", "[tool.hermpkg]\n")
    models.write(
        "app/factory.py", "import os\n\ndef make(): return os.path.basename(os.path.realpath(__file__))"
    )
    assert models.build("//app").ran("make-model") == 1
    moved = models.root.rename(tmp_path / "moved")
    assert make_workspace(moved, models.cache).build("//app").ran("make-model") == 0


def test_what_another_process_wrote_is_no_input(models: Any, tmp_path: Path) -> None:
    models.write(
        "app/factory.py", f"import os\n\ndef make(): return os.system('echo x > {tmp_path}/written')"
    )
    for text in ("before", "between"):
        (tmp_path / "written").write_text(text)
        assert made(models) == 0
    assert models.build("//app").target["status"] == "up-to-date"
    assert models.build("//app").stderr == ""


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
    # What is inserted comes after the class: those of Python 3.13 know their line.
    made_class = "import importlib\n\n\nclass Made:\n    pass\n\n\n"
    loading = "Made.x = importlib.import_module('app.part').X\nmake = Made\n"
    models.write("app/factory.py", made_class + loading)
    models.write("app/part.py", "X = 1\n")
    assert made(models).x == 1
    models.write("app/factory.py", f"{made_class}# Why.\n\n{loading}")
    built = models.build("//app")
    assert (built.ran("make-model"), built.ran("assemble")) == (0, 1)
    assert "app/factory.py:10" in models.run("why", "//app", "app.part").stdout
    with PackageImporter(models.root / "hermpkg-out/app/app.pt") as importer:
        assert "# Why." in importer.get_source("app.factory")
    models.write("app/factory.py", made_class + loading.replace(".X", ".X + 1"))
    again = models.run("build", "--explain", "//app")
    assert "make-model //app:thing: the code of //app/factory.py changed" in again.stdout
