"""Modules: found without running them, packed byte for byte, with everything they import."""

import importlib
import importlib.machinery
import importlib.util
import shutil
import subprocess
import sys
import traceback
import types
import zipfile

import pytest

from hermpkg_build import PackageImporter, PackagingError, PackagingErrorReason, sys_importer
from hermpkg_build.archive.layout import MANIFEST
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.manifest import Manifest, ManifestLicense


def interns(*patterns, save=()):
    def run(exporter):
        exporter.intern(list(patterns))
        for module in save:
            exporter.save_module(module)

    return run


def test_a_module_is_saved_with_what_it_imports(project):
    project.package("par")
    project.module("par.a", "import par.b\nfrom . import c\n")
    project.module("par.b")
    project.module("par.c", "import json, torch\n")
    project.module("par.unrelated")
    records = project.records(interns("par.**", save=["par.a"]))
    assert {name for name in records if name.startswith("par")} == {
        "par/__init__.py", "par/a.py", "par/b.py", "par/c.py",
    }  # fmt: skip
    assert records[".data/extern_modules"].decode().split() == ["json", "torch"]


def test_saving_a_module_runs_nothing(project):
    project.module("own", "import mocked, denied_no, externed\nraise SystemExit('own ran')\n")
    for name in ("mocked", "denied_no", "externed"):
        project.module(name, f"raise SystemExit('{name} ran')\n")

    def save(exporter):
        exporter.mock(["mocked", "denied_no"])
        exporter.extern("externed")
        exporter.save_module("own")

    records = project.records(save)
    assert b"own ran" in records["own.py"]
    assert not {"own", "mocked", "externed", "denied_no"} & set(sys.modules)


def test_importing_a_submodule_takes_its_packages_along(project):
    project.module("par.__init__", "CONSTANT = 7\n")
    project.module("par.ch", "value = 1\n")
    project.module("own", "import par.ch\nvalue = par.CONSTANT\n")
    importer = project.load(interns("par.**", save=["own"]))
    assert importer.import_module("own").value == 7


def test_a_package_without_a_rule_is_a_folder(project):
    project.module("par.__init__", "import something_else\n")
    project.module("par.ch", "value = 1\n")
    importer = project.load(interns(save=["par.ch"]))
    assert importer.import_module("par.ch").value == 1
    assert not importer.file_structure().has_file("par/__init__.py")


def test_a_star_import_takes_the_submodules_of_all(project):
    project.module("sp.__init__", "__all__ = ['one', 'two']\n")
    project.module("sp.one", "x = 1\n")
    project.module("sp.two", "x = 2\n")
    project.module("own", "from sp import *\nvalue = one.x + two.x\n")
    assert project.load(interns("sp.**", save=["own"])).import_module("own").value == 3


def test_namespace_packages(project):
    project.module("space.deep.mod", "x = 1\n")
    project.module("own", "import space.deep.mod as m\nfrom space.deep import mod\nvalue = m.x\n")
    importer = project.load(interns("space.**", save=["own", "space"]))
    assert importer.import_module("own").value == 1


@pytest.mark.parametrize("data", [b"# coding: latin-1\r\ns = '\xe9'\r\n", b"\xef\xbb\xbfs = '\xc3\xa9'\n"])
def test_sources_are_packed_byte_for_byte(project, data):
    project.module("own").write_bytes(data)
    assert project.records(interns(save=["own"]))["own.py"] == data
    assert project.load(interns(save=["own"])).import_module("own").s == "é"


def test_the_source_is_that_of_the_file_and_not_of_a_cache(project):
    import linecache

    path = project.module("own", "x = 'old'\n")
    importlib.import_module("own")
    linecache.getlines(str(path))
    path.write_text("x = 'new!'\n")
    assert project.records(interns(save=["own"]))["own.py"] == b"x = 'new!'\n"


def test_a_deleted_source_is_an_error(project):
    path = project.module("own", "x = 1\n")
    importlib.import_module("own")
    path.unlink()
    with pytest.raises(PackagingError) as caught:
        project.export(interns(save=["own"]))
    assert caught.value.reasons == {"own": PackagingErrorReason.SOURCE_FILE_NOT_FOUND}
    assert str(path) in str(caught.value)


def test_a_loaded_module_is_packed_from_where_it_was_loaded(project, tmp_path):
    project.module("own", "x = 'on the path'\n")
    elsewhere = tmp_path / "elsewhere.py"
    elsewhere.write_text("x = 'elsewhere'\n")
    spec = importlib.util.spec_from_file_location("own", elsewhere)
    sys.modules["own"] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert project.records(interns(save=["own"]))["own.py"] == b"x = 'elsewhere'\n"


def test_a_loader_may_remap_its_file(project, monkeypatch):
    project.module("own", "x = 'own'\n")
    other = project.module("remapped", "x = 'remapped'\n")

    class Remapping(importlib.machinery.SourceFileLoader):
        def get_filename(self, name=None):
            return str(other)

    spec = importlib.util.spec_from_loader("own", Remapping("own", str(project.root / "own.py")))
    monkeypatch.setitem(sys.modules, "own", importlib.util.module_from_spec(spec))
    assert project.records(interns(save=["own"]))["own.py"] == b"x = 'remapped'\n"


def test_a_module_made_at_run_time_has_no_source(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "made", types.ModuleType("made"))
    project.module("own", "import made\n")
    with pytest.raises(PackagingError) as caught:
        project.export(interns("made", save=["own"]))
    assert caught.value.reasons == {"made": PackagingErrorReason.NO_DUNDER_FILE}


def test_loaded_modules_are_asked_nothing_that_runs_code(project, monkeypatch):
    class Loud(types.ModuleType):
        def __getattr__(self, name):
            raise RuntimeError(f"asked for {name}")

    class Anything:
        __spec__ = property(lambda self: 1 / 0)

    project.module("later", "raise RuntimeError('later ran')\n")
    project.module("own", "import anything.at_all, later, loud\n")
    spec = importlib.util.find_spec("later")
    loader = importlib.util.LazyLoader(spec.loader)
    later, loud = importlib.util.module_from_spec(spec), Loud("loud")
    del loud.__spec__

    def run(exporter):
        exporter.extern(["anything.**", "loud"])
        exporter.intern("**")
        exporter.save_module("own")

    with monkeypatch.context() as patch:
        for name in ("anything", "anything.at_all"):
            patch.setitem(sys.modules, name, Anything())
        patch.setitem(sys.modules, "loud", loud)
        patch.setitem(sys.modules, "later", later)
        loader.exec_module(later)
        records = project.records(run)
    assert records["later.py"] == b"raise RuntimeError('later ran')\n"
    assert records[".data/extern_modules"].decode().split() == ["anything", "anything.at_all", "loud"]


def test_modules_in_a_zip_file(project, tmp_path, monkeypatch):
    path = tmp_path / "zipped.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("zpkg/__init__.py", "x = 1\n")
        archive.writestr("zpkg/mod.py", "y = 2\n")
    monkeypatch.syspath_prepend(str(path))
    project.module("own", "import zpkg.mod\n")
    records = project.records(interns("zpkg.**", save=["own"]))
    assert (records["zpkg/__init__.py"], records["zpkg/mod.py"]) == (b"x = 1\n", b"y = 2\n")
    importlib.import_module("zpkg.mod")
    try:
        assert project.records(interns("zpkg.**", save=["own"]))["zpkg/mod.py"] == b"y = 2\n"
    finally:
        del sys.modules["zpkg"], sys.modules["zpkg.mod"]


def test_modules_that_only_a_finder_knows(project, tmp_path, monkeypatch):
    hidden = tmp_path / "hidden.py"
    hidden.write_text("x = 'hidden'\n")

    class Finder:
        def find_spec(self, name, path=None, target=None):
            return importlib.util.spec_from_file_location(name, hidden) if name == "veiled" else None

    monkeypatch.setattr(sys, "meta_path", [*sys.meta_path, Finder()])
    project.module("own", "import veiled\n")
    assert project.records(interns("veiled", save=["own"]))["veiled.py"] == b"x = 'hidden'\n"
    assert "veiled" not in sys.modules


def test_a_package_may_have_a_path_of_its_own(project, tmp_path):
    extra = tmp_path / "plugins"
    extra.mkdir()
    (extra / "plug.py").write_text("x = 'plugged'\n")
    project.module("host.__init__", f"__path__ = [*__path__, {str(extra)!r}]\n")
    project.module("own", "import host.plug\n")
    importlib.import_module("host")
    records = project.records(interns("host.**", save=["own"]))
    assert records["host/plug.py"] == b"x = 'plugged'\n"


def test_compiled_modules_cannot_be_interned(project):
    project.module("own", "import numpy._core._multiarray_umath\n")
    with pytest.raises(PackagingError) as caught:
        project.export(
            lambda e: (
                e.intern("numpy._core._multiarray_umath"),
                e.extern("numpy.**"),
                e.save_module("own"),
            )
        )
    assert caught.value.reasons == {"numpy._core._multiarray_umath": PackagingErrorReason.IS_EXTENSION_MODULE}


def test_source_strings_take_the_place_of_what_was_saved(project):
    project.module("own", "import missing\n")

    def save(exporter):
        exporter.save_module("own")
        exporter.save_source_string("own", "x = 1\n")
        exporter.save_source_string("pkg", "y = 2\n", is_package=True)
        exporter.save_source_string("pkg.sub", "z = 3\n")

    importer = project.load(save)
    assert importer.import_module("own").x == 1
    assert importer.import_module("pkg.sub").z == 3
    assert importer.get_source("pkg") == "y = 2\n"


def test_a_module_takes_the_place_of_a_source_string(project):
    project.module("own", "x = 'file'\n")
    importer = project.load(lambda e: (e.save_source_string("own", "x = 'string'\n"), e.save_module("own")))
    assert importer.import_module("own").x == "file"


def test_a_source_string_is_encoded_as_it_declares(project):
    records = project.records(lambda e: e.save_source_string("m", "# coding: latin-1\ns = 'é'\n"))
    assert records["m.py"] == b"# coding: latin-1\ns = '\xe9'\n"


def test_a_folder_of_sources(project, tmp_path):
    folder = tmp_path / "code"
    (folder / "sub").mkdir(parents=True)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "left.py").write_text("")
    (folder / "__init__.py").write_text("from .sub import x\n")
    (folder / "sub" / "__init__.py").write_text("x = 5\n")
    (folder / "sub" / "note.txt").write_text("not a module")
    importer = project.load(lambda e: e.save_source_file("renamed", folder))
    assert importer.import_module("renamed").x == 5
    assert not importer.file_structure().has_file("renamed/__pycache__")


def test_one_file_of_source(project, tmp_path):
    (tmp_path / "code.py").write_text("x = 1\n")
    (tmp_path / "__init__.py").write_text("x = 2\n")
    importer = project.load(
        lambda e: (
            e.save_source_file("one", str(tmp_path / "code.py")),
            e.save_source_file("two", str(tmp_path / "__init__.py")),
        )
    )
    assert (importer.import_module("one").x, importer.import_module("two").x) == (1, 2)
    assert importer.file_structure().has_file("two/__init__.py")
    with pytest.raises(FileNotFoundError):
        project.export(lambda e: e.save_source_file("three", str(tmp_path / "none.py")))


@pytest.mark.parametrize("how", ["save_module", "save_source_string", "save_source_file", "add_dependency"])
def test_without_dependencies_nothing_is_followed(project, how):
    path = project.module("par.own", "import not_there\n")
    project.module("par.__init__", "import not_there_either\n")

    def save(exporter):
        exporter.intern("par.**")
        source = {"save_source_string": path.read_text(), "save_source_file": str(path)}
        arguments = [source[how]] if how in source else []
        getattr(exporter, how)("par.own", *arguments, dependencies=False)

    assert [name for name in project.records(save) if name.startswith("par")] == ["par/own.py"]


@pytest.mark.parametrize("how", ["save_source_string", "save_module"])
def test_what_does_not_parse_is_packed_where_its_imports_are_not_asked_for(project, how):
    path = project.module("old", "print 'of another Python'\n")
    arguments = [path.read_text()] if how == "save_source_string" else []
    packed = project.records(lambda e: getattr(e, how)("old", *arguments, dependencies=False))
    assert packed["old.py"] == path.read_bytes()
    with pytest.raises(PackagingError, match="does not parse"):
        project.records(lambda e: getattr(e, how)("old", *arguments))


@pytest.mark.parametrize("source", ["x = 'ä'\n", "# coding: latin-1\nx = 'ä'\n"])
def test_a_source_may_be_bytes(project, source):
    data = source.encode("latin-1" if "latin" in source else "utf-8")
    loaded = project.load(lambda e: e.save_source_string("own", data))
    assert loaded.import_module("own").x == "ä"
    with pytest.raises(TypeError, match="str or bytes"):
        project.records(lambda e: e.save_source_string("own", 1))


def test_a_dependency_is_added_by_the_rules(project):
    project.module("own", "x = 1\n")
    assert "own.py" in project.records(lambda e: (e.add_dependency("own"), e.intern("own")))
    assert "own.py" not in project.records(lambda e: (e.add_dependency("own"), e.extern("own")))
    with pytest.raises(PackagingError, match="matches no pattern"):
        project.export(lambda e: e.add_dependency("own"))


def test_names_that_are_none():
    from hermpkg_build import PackageExporter

    exporter = PackageExporter(__import__("io").BytesIO())
    with pytest.raises(TypeError, match="__name__"):
        exporter.save_module(sys)
    with pytest.raises(ModuleNotFoundError, match="not_there"):
        exporter.save_module("not_there")
    with pytest.raises(ModuleNotFoundError, match="importer that this exporter does not know"):
        exporter.save_module("<torch_package_77>.own")


def test_what_was_found_is_what_is_packed(project):
    path = project.module("own", "x = 1\n")

    def save(exporter):
        exporter.save_module("own")
        assert exporter.interned_modules() == ["own"]
        path.write_text("x = 2\n")

    assert project.records(save)["own.py"] == b"x = 2\n"


def test_the_main_module(project, tmp_path):
    script = tmp_path / "script.py"
    out = tmp_path / "out.pt"
    script.write_text(
        "from hermpkg_build import PackageExporter, PackageImporter\n"
        "class Thing:\n    x = 5\n"
        "if __name__ == '__main__':\n"
        f"    with PackageExporter({str(out)!r}) as e:\n"
        "        e.intern('__main__')\n"
        "        e.extern('hermpkg_build.**')\n"
        "        e.save_pickle('m', 'thing.pkl', Thing())\n"
        f"    print(type(PackageImporter({str(out)!r}).load_pickle('m', 'thing.pkl')).x)\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("5\n", 0), done.stderr


PROGRAM = """\
from . import helper

class Thing:
    x = helper.X

def export(path, pattern):
    from hermpkg_build import PackageExporter
    with PackageExporter(path) as exporter:
        exporter.intern(["app.helper", pattern])
        exporter.extern("**")
        exporter.save_pickle("m", "m.pkl", [Thing(), export])
        print(exporter.interned_modules())

if __name__ == "__main__":
    import multiprocessing, sys
    path, pattern = sys.argv[1:]
    export(path, pattern)
    worker = multiprocessing.get_context("spawn").Process(target=export, args=(path + "2", pattern))
    worker.start()
    worker.join()
"""


@pytest.mark.parametrize("pattern", ["__main__", "app.*"])
def test_a_program_that_is_a_module_is_packed_by_the_name_of_that(project, tmp_path, pattern):
    project.package("app")
    project.module("app.helper", "X = 5\n")
    project.module("app.train", PROGRAM)
    command = [sys.executable, "-m", "app.train", str(tmp_path / "out.pt"), pattern]
    done = subprocess.run(command, cwd=project.root, capture_output=True, text=True, check=True)
    assert done.stdout == "['app.helper', 'app.train']\n" * 2, done.stderr
    for name in ("out.pt", "out.pt2"):
        with PackageImporter(tmp_path / name) as importer:
            thing, function = importer.load_pickle("m", "m.pkl")
            assert thing.x == 5
            assert function.__module__ == f"{importer.id()}.app.train"


def test_a_rule_for_all_does_not_leave_the_program_to_another_one(project, monkeypatch):
    main = types.ModuleType("__main__")
    main.__file__ = str(project.module("script", "class Thing:\n    x = 5\n"))
    exec("class Thing:\n    x = 5\n", main.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", main)
    for pattern in ("**", "__*__"):
        with pytest.raises(PackagingError) as caught:
            project.export(lambda e: (e.extern(pattern), e.save_pickle("m", "m.pkl", main.Thing())))  # noqa: B023
        assert caught.value.reasons == {"__main__": PackagingErrorReason.PROGRAM_IS_ANOTHER}
        assert 'exporter.intern("__main__")' in str(caught.value)
    project.export(lambda e: (e.extern("__main__"), e.save_pickle("m", "m.pkl", main.Thing())))
    # Code that imports it may find any program.
    project.module("own", "import __main__\n")
    project.export(lambda e: (e.intern("own"), e.extern("**"), e.add_dependency("own")))


RESAVE = """\
import os
import torch_package_importer
from hermpkg_build import PackageExporter

def again(path, folder):
    importer = torch_package_importer
    with PackageExporter(path, importer=importer) as exporter:
        exporter.extern("**")
        if folder:
            exporter.save_source_file("lib", os.path.dirname(__file__))
        else:
            exporter.save_source_file("lib.saving", __file__)
"""


@pytest.mark.parametrize("folder", [False, True])
def test_packaged_code_saves_itself_by_its_file(project, tmp_path, folder):
    importer = project.load(
        lambda e: (
            e.extern("**"),
            e.save_source_string("lib", "import os", is_package=True),
            e.save_source_string("lib.saving", RESAVE),
            e.save_source_string("lib.deep", "X = 1", is_package=True),
            e.save_source_string("lib.deep.part", "X = 2"),
        ),
    )
    importer.import_module("lib.saving").again(tmp_path / "again.pt", folder)
    with PackageImporter(tmp_path / "again.pt") as again:
        assert again.get_source("lib.saving") == RESAVE
        if folder:
            assert again.import_module("lib.deep.part").X == 2
            assert again.import_module("lib.deep").X == 1
        else:
            assert not any(name.startswith("lib/deep") for name in again.record_names())


def test_importing_from_a_submodule_does_not_need_its_package(project):
    project.module("par.__init__", "import not_there\n")
    project.module("par.one", "from par import two\nfrom . import two as again\nfrom par.two import x\n")
    project.module("par.two", "x = 2\n")
    project.module("own", "from par.one import x\nimport par.two as two\n")
    project.module("named", "import par.two\n")
    records = project.records(interns("par.*", save=["own"]))
    assert [name for name in records if name.startswith("par")] == ["par/one.py", "par/two.py"]
    assert project.load(interns("par.*", save=["own"])).import_module("own").x == 2
    with pytest.raises(PackagingError, match="not_there"):
        project.export(interns("par.**", save=["named"]))


def test_what_a_package_loads_lazily_is_packed_as_far_as_it_was_loaded(project):
    project.module(
        "lazy.__init__",
        """\
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from .used import Used
            from .unused import Unused
        HOMES = {"Used": "used", "Unused": "unused"}
        def __getattr__(name):
            from importlib import import_module
            return getattr(import_module(f"lazy.{HOMES[name]}"), name)
        """,
    )
    project.module("lazy.used", "import lazy_helper\nclass Used:\n    x = 3\n")
    project.module("lazy.unused", "class Unused:\n    pass\n")
    project.module("lazy_helper")
    project.module("own", "import lazy\nvalue = lazy.Used.x\n")
    import own

    importer = project.load(interns("lazy*.**", save=["own"]))
    assert importer.import_module("own").value == own.value == 3
    assert importer.file_structure().has_file("lazy_helper.py")
    assert not importer.file_structure().has_file("lazy/unused.py")


def test_what_a_helper_loads_lazily_for_a_package_is_packed_as_far_as_it_was_loaded(project):
    project.module(
        "attaching",
        """\
        from importlib import import_module
        def attach(package, homes):
            def make(name):
                return getattr(import_module(f"{package}.{homes[name]}"), name)
            return make
        """,
    )
    project.module(
        "helped.__init__",
        "import attaching\n__getattr__ = attaching.attach(__name__, {'Used': 'used', 'Unused': 'unused'})\n",
    )
    project.module("helped.used", "class Used:\n    x = 3\n")
    project.module("helped.unused", "class Unused:\n    pass\n")
    project.module("own", "import helped\nvalue = helped.Used.x\n")
    own = importlib.import_module("own")

    def save(exporter):
        exporter.intern("helped.**")
        exporter.intern("own")
        exporter.extern("attaching")
        exporter.save_module("own")

    importer = project.load(save)
    assert importer.import_module("own").value == own.value == 3
    assert not importer.file_structure().has_file("helped/unused.py")


@pytest.mark.parametrize(
    "call",
    [
        'import_module(f"dyn.backends.{name}_backend")',
        'import_module("dyn.backends.{}_backend".format(name))',
        'import_module("dyn.backends.%s_backend" % name)',
        'import_module("dyn.backends." + name + "_backend")',
        'import_module(".".join([__package__, "backends", f"{name}_backend"]))',
        'import_module(f"{__name__}.backends.{name}_backend")',
        'import_module(f".backends.{name}_backend", __package__)',
        'import_module(f".{name}_backend", package="dyn.backends")',
        '__import__("dyn.backends." + name + "_backend", fromlist=[name])',
    ],
)
def test_what_is_loaded_by_part_of_its_name_is_packed(project, call):
    project.module(
        "dyn.__init__", f"from importlib import import_module\nname = 'fast'\nmodule = {call}\nx = module.x\n"
    )
    project.module("dyn.backends.__init__")
    project.module("dyn.backends.fast_backend", "import dyn_helper\nx = 3\n")
    project.module("dyn.backends.slow_backend")
    project.module("dyn.backends.other")
    project.module("dyn_helper")
    for name in ("dyn", "dyn.backends.other"):
        importlib.import_module(name)
    records = project.records(interns("dyn*.**", save=["dyn"]))
    assert {"dyn/backends/fast_backend.py", "dyn_helper.py"} <= {*records}
    assert not {"dyn/backends/slow_backend.py", "dyn/backends/other.py"} & {*records}
    assert project.load(interns("dyn*.**", save=["dyn"])).import_module("dyn").x == 3


@pytest.mark.parametrize(
    "call", ["import_module(name)", 'import_module("." + name, base)', 'import_module(f"{base}.{name}")']
)
def test_names_that_could_be_any_module_of_the_library_pack_none(project, call):
    project.module(
        "any.__init__", f"from importlib import import_module\ndef load(name, base): return {call}\n"
    )
    project.module("any.part")
    importlib.import_module("any.part")
    assert not [name for name in project.records(interns("any.**", save=["any"])) if "part" in name]


def test_what_a_module_holds_of_externs_may_be_imported_by_any_name(project):
    project.module(
        "holds.__init__",
        """\
        def optional(module, name):
            return getattr(__import__(module), name)
        kept = optional("outside.part", "part").function
        module = __import__("other_outside_".strip("_"))
        """,
    )
    project.module("outside.__init__")
    project.module("outside.part", "def function(): pass\n")
    project.module("other_outside")
    project.module("unheld")
    importlib.import_module("holds")
    importlib.import_module("unheld")

    def save(exporter):
        exporter.intern("holds")
        exporter.extern("**")
        exporter.save_module("holds")

    externs = project.records(save)[".data/extern_modules"].split()
    assert b"outside" in externs
    assert b"other_outside" in externs
    assert b"unheld" not in externs
    kept = project.load(save).import_module("holds").kept
    assert kept is importlib.import_module("outside.part").function


def test_what_may_have_been_loaded_by_part_of_its_name_is_no_error(project):
    project.module(
        "dyn.__init__", "import importlib\ndef load(name): return importlib.import_module(f'dyn.{name}')\n"
    )
    project.module("dyn.part")
    importlib.import_module("dyn.part")
    assert "dyn/part.py" not in project.records(interns("dyn", save=["dyn"]))


def test_data_files_that_packed_code_reads_are_packed(project):
    project.module(
        "reads.__init__",
        "import os\n"
        "with open(os.path.join(os.path.dirname(__file__), 'words.txt')) as file:\n    words = file.read()\n",
    )
    (project.root / "reads" / "words.txt").write_text("hello")
    (project.root / "reads" / "other.bin").write_text("not read")
    importer = project.load(interns("reads", save=["reads"]))
    assert importer.import_module("reads").words == "hello"
    assert not importer.file_structure().has_file("reads/other.bin")


def test_data_files_lie_beside_modules_whose_package_is_a_mere_folder(project):
    project.module("reads.__init__", "")
    project.module("reads.part", "import pkgutil\nwords = pkgutil.get_data(__package__, 'words.txt')\n")
    (project.root / "reads" / "words.txt").write_text("hello")
    (project.root / "reads" / "other.bin").write_text("not read")
    importer = project.load(interns("reads.part", save=["reads.part"]))
    assert not importer.file_structure().has_file("reads/__init__.py")
    assert importer.import_module("reads.part").words == b"hello"
    assert not importer.file_structure().has_file("reads/other.bin")


def test_a_resource_takes_the_place_of_a_data_file(project):
    project.module(
        "reads.__init__", "import os\npath = os.path.join(os.path.dirname(__file__), 'words.txt')\n"
    )
    (project.root / "reads" / "words.txt").write_text("of the environment")
    importer = project.load(lambda e: (e.save_module("reads"), e.save_text("reads", "words.txt", "given")))
    assert importer.load_text("reads", "words.txt") == "given"


MAKES_MODULES = """
import sys
import traceback
import types

for name in ("put", "Name"):
    sys.modules[f"{__name__}.{name}"] = module = types.ModuleType(f"{__name__}.{name}")
    module.value = name


class Name:
    pass
"""


def test_modules_that_packed_code_makes_while_it_runs_are_made_again(project):
    project.module("maker.__init__", MAKES_MODULES)
    project.module("own", "import maker.put\nfrom maker.put import value\nfrom maker import Name\n")
    importlib.import_module("own")
    importer = project.load(interns("maker.**", "own", save=["own"]))
    own = importer.import_module("own")
    assert own.value == "put"
    assert isinstance(own.Name, type)
    assert importer.import_module("maker.put") is not sys.modules["maker.put"]


REPLACES_ITSELF = {
    "an instance of its class": "class Conf:\n    scale = 3\n\nsys.modules[__name__] = Conf()\n",
    "an instance of another": "sys.modules[__name__] = types.SimpleNamespace(scale=3)\n",
    "a bare module": "sys.modules[__name__] = m = types.ModuleType(__name__)\nm.scale = 3\n",
    "a module of its class": "class C(types.ModuleType):\n    scale = 3\n\nsys.modules[__name__] = C('c')\n",
}


@pytest.mark.parametrize("text", REPLACES_ITSELF.values(), ids=REPLACES_ITSELF)
def test_a_module_that_puts_another_object_in_its_place_is_packed(project, text):
    project.module("conf.__init__")
    project.module("conf.inner", f"import sys\nimport types\n\n{text}")
    project.module(
        "own", "from conf import inner\nimport conf.inner as again\nvalue = inner.scale + again.scale\n"
    )
    importlib.import_module("own")
    importer = project.load(interns("conf.**", "own", save=["own"]))
    assert importer.import_module("own").value == 6


def test_a_fake_in_the_place_of_a_module_is_not_taken_for_it(project, monkeypatch):
    project.module("conf.__init__")
    project.module("conf.inner", "scale = 3\n")
    project.module("own", "from conf import inner\n")
    monkeypatch.setitem(sys.modules, "conf.inner", types.SimpleNamespace(scale=4))
    records = project.records(interns("conf.**", "own", save=["own"]))
    assert "conf/inner.py" not in records


def test_a_module_that_nobody_packed_makes_cannot_be_packed(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "from_nowhere", types.ModuleType("from_nowhere"))
    project.module("own", "import from_nowhere\n")
    with pytest.raises(PackagingError, match="from_nowhere"):
        project.records(interns("**", save=["own"]))


READS_ITS_FILES = """
import importlib.metadata
import os

folder = os.path.dirname(__file__)
with open(os.path.join(folder, "words.txt")) as file:
    words = file.read()
with open(os.path.join(folder, "tables", "deep", "numbers.txt")) as file:
    numbers = file.read()
version = importlib.metadata.version("Reads-It")
"""


def test_what_is_packed_anew_brings_its_data_files_along(project):
    package = project.root / "reads_it"
    project.module("reads_it.__init__", READS_ITS_FILES)
    project.module("reads_it.part.__init__", "here = __file__\n")
    (package / "tables" / "deep").mkdir(parents=True)
    for file in ("words.txt", "tables/deep/numbers.txt", "part/own.bin"):
        (package / file).write_text(file)
    metadata = project.root / "reads_it-1.5.dist-info"
    metadata.mkdir()
    stated = "Metadata-Version: 2.1\nName: Reads-It\nVersion: 1.5\nLicense: MIT\n"
    (metadata / "METADATA").write_text(stated)
    (metadata / "top_level.txt").write_text("reads_it\n")
    (metadata / "COPYING").write_text("The text.")

    def save(exporter):
        interns("reads_it.**", save=["reads_it", "reads_it.part"])(exporter)
        exporter.save_text("config", "words.txt", "of nobody's code")

    first = project.load(save)
    manifests = [Manifest.from_bytes(first.read_record(MANIFEST))]
    shutil.rmtree(package)
    shutil.rmtree(metadata)
    again = project.load(interns("reads_it.**", save=["reads_it"]), importer=[first, sys_importer])
    module = again.import_module("reads_it")
    assert (module.words, module.numbers, module.version) == ("words.txt", "tables/deep/numbers.txt", "1.5")
    for absent in ("config/words.txt", "reads_it/part/own.bin"):
        assert not again.file_structure().has_file(absent)
    manifests.append(Manifest.from_bytes(again.read_record(MANIFEST)))
    for manifest in manifests:
        assert manifest.modules["reads_it"].distribution == "reads-it"
        assert (manifest.distributions["reads-it"], manifest.real_files) == ("1.5", ("reads_it",))
        text = ".data/hermpkg/licenses/reads-it/reads_it-1.5.dist-info/COPYING"
        assert manifest.licenses == {"reads-it": ManifestLicense(text="MIT", files=(text,))}
        assert manifest.records[text].digest == Digest.of(b"The text.")
    given = project.load(
        lambda e: (e.save_module("reads_it"), e.save_text("reads_it", "words.txt", "given")),
        importer=[again, sys_importer],
    )
    assert given.import_module("reads_it").words == "given"


@pytest.mark.parametrize("package", ["mypkg", "my-pkg", "1st", "the pkg", "class", "größe", "a.my-pkg"])
def test_data_files_come_along_whatever_their_package_is_called(project, package):
    def save(exporter):
        exporter.save_source_string(f"{package}.mod", "x = 1\n")
        exporter.save_text(package, "data.txt", "data")

    first = project.load(save)
    again = project.load(lambda e: e.save_module(f"{package}.mod"), importer=[first, sys_importer])
    assert again.import_module(f"{package}.mod").x == 1
    assert again.load_text(package, "data.txt") == "data"


def test_data_files_of_mere_folders_come_along_with_the_modules_below(project):
    def saved(*modules):
        def save(exporter):
            for name in modules:
                exporter.save_source_string(name, "")
            for package in ("ns", "ns.sub", "ns.other", "ns.sub.tables"):
                exporter.save_text(package, "data.txt", package)

        return project.load(save)

    def files_with(importer, *modules):
        again = project.load(lambda e: [e.save_module(name) for name in modules], importer=importer)
        return {name for name in again.record_names() if name.endswith(".txt")}

    of_sub = {"ns/sub/data.txt", "ns/sub/tables/data.txt"}
    first = saved("ns.sub.mod", "ns.other.mod")
    assert files_with(first, "ns.sub.mod") == {"ns/data.txt", *of_sub}
    # Where a module lies in the folder itself, its files are that module's.
    first = saved("ns.sub.mod", "ns.other.mod", "ns.plain")
    assert files_with(first, "ns.sub.mod") == of_sub
    assert files_with(first, "ns.plain", "ns.sub.mod") == {"ns/data.txt", *of_sub}


def test_a_package_that_is_imported_by_the_name_of_its_file_too(project):
    project.module("par.__init__", "value = 7\n")
    project.module("par.mod", "from .__init__ import value\nimport par.__init__\nalso = par.__init__.value\n")
    first = project.load(interns("par.**", save=["par.mod"]))
    again = project.load(interns("par.**", save=["par.mod"]), importer=first)
    for importer in (first, again):
        module = importer.import_module("par.mod")
        assert (module.value, module.also) == (7, 7)
        assert sum(name.startswith("par/") for name in importer.record_names()) == 2


def test_a_mocked_package_that_is_imported_by_the_name_of_its_file_too(project):
    project.module("own", "import away.__init__\nfrom away.__init__ import value\n")
    importer = project.load(lambda e: (e.mock("away.**"), e.save_module("own")))
    with pytest.raises(NotImplementedError):
        importer.import_module("own").value()


def test_a_source_under_the_name_of_a_packages_file_is_the_package(project):
    def save(exporter):
        exporter.save_source_string("par.__init__", "value = 7\n")
        exporter.save_text("par", "data.txt", "data")

    first = project.load(save)
    again = project.load(lambda e: e.save_module("par"), importer=first)
    assert again.import_module("par").value == 7
    assert again.load_text("par", "data.txt") == "data"


def test_imports_that_may_fail_are_told_from_those_that_may_not(project):
    project.package("some", "other")
    project.module("own", "try:\n    import some\nexcept ImportError:\n    some = None\nimport other\n")
    importer = project.load(lambda e: (e.extern("**"), e.save_module("own")))
    modules = Manifest.from_bytes(importer.read_record(MANIFEST)).modules
    assert {name: module.optional for name, module in modules.items()} == {
        "other": False,
        "own": False,
        "some": True,
    }


def test_a_module_that_only_a_function_imports_may_be_absent(project):
    project.module("lib", "def fast():\n    import gpulib\n    return gpulib\n")

    def save(exporter):
        exporter.intern("**")
        exporter.add_dependency("lib")

    with pytest.warns(UserWarning, match="not here, left out: gpulib .lib.py:2:5") as told:
        importer = project.load(save)
    assert told[0].filename.endswith("conftest.py")
    with pytest.raises(ModuleNotFoundError, match="gpulib"):
        importer.import_module("lib").fast()
    with pytest.raises(PackagingError, match="gpulib"):
        project.export(save, strict_imports=True)


def test_the_code_of_a_package_runs_before_its_modules(project):
    project.module("lib.__init__", "from lib import registry\nregistry.NAMES.append(1)\n")
    project.module("lib.registry", "NAMES = []\n")

    def save(exporter):
        exporter.intern("lib.**")
        exporter.save_source_string("app", "from lib.registry import NAMES")

    assert project.load(save).import_module("app").NAMES == [1]


def test_an_error_says_that_the_code_of_a_package_is_missing(project):
    project.module("lib.__init__", "import nowhere_to_be_found\n")
    project.module("lib.part", "from lib.other import absent\n")
    project.module("lib.other", "")

    def save(exporter):
        exporter.intern("lib.*", exclude="lib")
        exporter.add_dependency("lib.part")

    with pytest.raises(ImportError) as caught:
        project.load(save).import_module("lib.part")
    assert "not its __init__.py" in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize("policy", ["extern", None])
def test_a_package_that_no_rule_interns_is_a_folder(project, policy):
    project.module("lib.__init__", "import nowhere_to_be_found\n")
    project.module("lib.part", "X = 1\n")

    def save(exporter):
        exporter.intern("lib.part")
        if policy:
            exporter.extern("lib")
        exporter.save_source_string("app", "from lib.part import X")

    assert "lib/__init__.py" not in project.records(save)
