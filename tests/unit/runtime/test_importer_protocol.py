"""Importers, names of objects, mangling and the printed file tree."""

from __future__ import annotations

import pytest

from hermpkg_build import (
    Directory,
    Importer,
    ObjMismatchError,
    ObjNotFoundError,
    OrderedImporter,
    is_from_package,
    sys_importer,
)
from hermpkg_build.runtime.mangling import demangle, is_mangled, mangle_prefix


class Local:
    class Inner:
        pass


def test_the_interpreters_own_importer() -> None:
    import json

    assert sys_importer.import_module("json") is json
    assert sys_importer.get_name(json.JSONDecoder) == ("json.decoder", "JSONDecoder")
    assert sys_importer.get_name(Local.Inner) == (__name__, "Local.Inner")
    with pytest.raises(ObjNotFoundError):
        sys_importer.get_name(lambda: None)


def test_names_lead_back_to_their_objects(load) -> None:
    importer = load({"json/__init__.py": "class JSONDecoder: pass\n"}, ["math"])
    thing = importer.import_module("json").JSONDecoder
    assert importer.get_name(thing) == ("json", "JSONDecoder")
    with pytest.raises(ObjMismatchError, match=rf"{importer.id()}.* before sys_importer"):
        sys_importer.get_name(thing)
    assert OrderedImporter(sys_importer, importer).get_name(thing) == ("json", "JSONDecoder")
    with pytest.raises(ObjNotFoundError, match="no importer has"):
        OrderedImporter(importer).get_name(Local)


class Partial(Importer):
    """Knows what it is given, and nothing else."""

    def __init__(self, modules: dict[str, object]) -> None:
        self.modules = modules

    def import_module(self, module_name: str) -> object:
        try:
            return self.modules[module_name]
        except KeyError:
            raise ModuleNotFoundError(module_name) from None


def test_objects_without_a_module_are_searched_for() -> None:
    class Nameless:
        __module__ = None
        __qualname__ = "thing"

    thing = Nameless()

    class Holder:
        pass

    holder = Holder()
    holder.thing = thing
    assert Partial({"holder": holder}).whichmodule(thing, "thing") == "holder"
    assert Partial({}).whichmodule(thing, "thing") == "__main__"
    assert OrderedImporter(Partial({}), Partial({"holder": holder})).whichmodule(thing, "thing") == "holder"

    class Lazy:
        def __getattr__(self, name):
            raise ImportError(f"{name} needs what is not installed")

    assert Partial({"lazy": Lazy(), "holder": holder}).whichmodule(thing, "thing") == "holder"


def test_the_first_importer_with_content_answers(load) -> None:
    importer = load({"json/child.py": "", "math.py": "mine = True\n"})
    ordered = OrderedImporter(importer, sys_importer)
    assert ordered.import_module("math").mine
    assert ordered.import_module("json").__name__ == "json"
    with pytest.raises(ModuleNotFoundError):
        ordered.import_module("no_such_module")
    with pytest.raises(TypeError, match="takes objects of class Importer"):
        OrderedImporter("x").import_module("y")


def test_is_from_package(load) -> None:
    importer = load({"mod.py": "class A: pass\na = A()\nimport math\nf = 1.0\n"}, ["math"])
    module = importer.import_module("mod")
    assert is_from_package(module)
    assert is_from_package(module.a)
    assert not is_from_package(module.f)
    assert not is_from_package(module.math)
    assert not is_from_package(pytest)


def test_mangled_names() -> None:
    assert is_mangled("<torch_package_3>.a.b")
    assert not is_mangled("a.b")
    assert demangle("<torch_package_3>.a.b") == "a.b"
    assert demangle("<torch_package_3>") == ""
    assert demangle("a.b") == "a.b"
    assert mangle_prefix("<torch_package_03>.a") == "<torch_package_03>"
    assert mangle_prefix("a") == ""


def test_directories_print_folders_first_and_filter() -> None:
    files = ["b.txt", "a/z.py", "a/deep/x.py", "c/only.pkl"]
    assert str(Directory.of_files("top", files)) == (
        "─── top\n"
        "    ├── a\n"
        "    │   ├── deep\n"
        "    │   │   └── x.py\n"
        "    │   └── z.py\n"
        "    ├── c\n"
        "    │   └── only.pkl\n"
        "    └── b.txt\n"
    )
    some = Directory.of_files("top", files, include="**/*.py", exclude=["a/deep/**"])
    assert some.has_file("a/z.py")
    assert some.has_file("a")
    assert not some.has_file("a/deep/x.py")
    assert not some.has_file("a/z.py/q")
