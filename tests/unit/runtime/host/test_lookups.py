"""What extern libraries look up by plain names is, for packaged code that calls them, its package's."""

from __future__ import annotations

import gc
import importlib
import pickle
import subprocess
import sys
import textwrap
import types

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.runtime.host import lookups

HELPER = """
import importlib
import importlib.util
import io
import pickle
import sys
from importlib import import_module as early
from pickle import _Unpickler


class Plain(pickle.Unpickler):
    def find_class(self, module, name):
        return super().find_class(module, name)


class Slow(_Unpickler):
    pass


class Resolver:
    importer = staticmethod(__import__)

    def named(self, name):
        __import__(name)
        return sys.modules[name]


def by_import_module(data):
    return importlib.import_module("lib.cfg").Cfg

def by_early_name(data):
    return early("lib.cfg").Cfg

def by_relative_name(data):
    return importlib.import_module(".cfg", "lib").Cfg

def by_sys_modules(data):
    return Resolver().named("lib.cfg").Cfg

def by_importer(data):
    return Resolver.importer("lib.cfg", fromlist=["Cfg"]).Cfg

def by_spec(data):
    spec = importlib.util.find_spec("lib.cfg")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.Cfg

def by_loads(data):
    return pickle.loads(data)

def by_load(data):
    return pickle.load(io.BytesIO(data))

def by_unpickler(data):
    return pickle.Unpickler(io.BytesIO(data)).load()

def by_class(data):
    return type("Late", (pickle.Unpickler,), {})(io.BytesIO(data)).load()

def by_slow_class(data):
    return Slow(io.BytesIO(data)).load()

def by_calling_back(data):
    return deep(by_import_module, data)

def deep(function, *arguments, depth=3):
    return deep(function, *arguments, depth=depth - 1) if depth else function(*arguments)
"""
WAYS = sorted(line[4:].partition("(")[0] for line in HELPER.splitlines() if line.startswith("def by_"))
CFG = "class Cfg:\n    place = '{}'\n"
NET = """
import helper
import runpy

def ask(way, data):
    return getattr(helper, way)(data).place

def run(name):
    return runpy.run_module(name)["Cfg"].place
"""
DATA = b"clib.cfg\nCfg\n."


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A folder of the host's modules, which are forgotten after the test."""
    root = tmp_path / "host"
    root.mkdir()
    before = set(sys.modules)
    monkeypatch.syspath_prepend(str(root))

    def write(name: str, source: str) -> None:
        path = root / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(textwrap.dedent(source))
        importlib.invalidate_caches()

    write("helper", HELPER)
    yield write
    for name in set(sys.modules) - before:
        del sys.modules[name]


@pytest.fixture
def net(load, host):
    files = {"lib/__init__.py": "", "lib/cfg.py": CFG.format("package"), "lib/net.py": NET}
    return load(files, externs=["helper", "runpy"]).import_module("lib.net")


@pytest.mark.parametrize("has_its_own", [False, True])
@pytest.mark.parametrize("way", WAYS)
def test_the_caller_decides(net, host, way: str, has_its_own: bool) -> None:
    if has_its_own:
        host("lib/__init__", "")
        host("lib/cfg", CFG.format("host"))
    assert net.ask(way, DATA) == "package"
    if has_its_own:
        helper = importlib.import_module("helper")
        assert getattr(helper, way)(DATA).place == "host"
    assert net.ask(way, DATA) == "package"


def test_a_module_of_the_package_is_run(net, host) -> None:
    host("lib/__init__", "")
    host("lib/cfg", CFG.format("host"))
    assert net.run("lib.cfg") == "package"


def test_libraries_find_modules_of_their_own(load, host) -> None:
    host(
        "lib/__init__",
        "import importlib\ndef own():\n    return importlib.import_module('lib.cfg').Cfg.place\n",
    )
    host("lib/cfg", CFG.format("host"))
    host("other", "import lib\ndef ask():\n    return lib.own()\n")
    files = {
        "lib/__init__.py": "",
        "lib/cfg.py": CFG.format("package"),
        "app.py": "import other\ndef ask():\n    return other.ask()\n",
    }
    assert load(files, externs=["other"]).import_module("app").ask() == "host"


GENERATOR = """
import sys

def generated(cls, text):
    names = dict(vars(sys.modules[cls.__module__]))
    eval(compile(text, "<generated>", "exec"), names)
    return names["answer"]
"""
GENERATED = """
from library import generated

class Thing:
    pass

def ask(name):
    return generated(Thing, f"answer = __import__({name!r})")

def own(name):
    return __import__(name)

def called_back():
    return generated(Thing, "from app import own; answer = own('_library')")
"""


def test_code_that_a_library_generates_for_a_packaged_class_finds_the_library(load, host) -> None:
    """As that of attrs, which names `attr`, does."""
    host("_library", GENERATOR)
    host("library", "from _library import generated\n")
    app = load({"app.py": GENERATED}, externs=["library"]).import_module("app")
    assert app.ask("_library").__name__ == "_library"
    for call in (lambda: app.own("_library"), app.called_back, lambda: app.ask("helper")):
        with pytest.raises(ModuleNotFoundError, match="in the artifact"):
            call()


def test_two_packages_get_each_its_own(load, host) -> None:
    files = {"lib/__init__.py": "", "lib/net.py": NET}
    nets = [
        load({**files, "lib/cfg.py": CFG.format(place)}, externs=["helper", "runpy"]).import_module("lib.net")
        for place in ("one", "two")
    ]
    for way in WAYS:
        assert [net.ask(way, DATA) for net in nets] == ["one", "two"]


def test_what_unpickles_stays_what_it_is(net) -> None:
    net.ask("by_loads", DATA)
    for function in (pickle.load, pickle.loads, pickle.Unpickler):
        assert pickle.loads(pickle.dumps(function)) is function
    assert isinstance(pickle.Unpickler, type)
    with pytest.raises(TypeError):
        pickle.loads("text")


def test_nothing_is_prepared_where_nothing_is_opened() -> None:
    program = "import pickle, importlib, _pickle, hermpkg_build\nassert pickle.loads is _pickle.loads\n"
    program += "assert not hasattr(importlib._bootstrap._gcd_import, '__wrapped__')\n"
    subprocess.run([sys.executable, "-c", program], check=True)


def test_packaged_code_may_use_this_library_itself(load) -> None:
    """Which asks who calls, with what it would put into libraries."""
    files = {
        "lib.py": "import hermpkg_build\nfrom hermpkg_build import PackageImporter\nimport other",
        "other.py": "",
    }
    for _ in range(2):
        lib = load(files, ["hermpkg_build"]).import_module("lib")
        assert lookups.sys is sys
        assert lib.PackageImporter is PackageImporter


def test_a_library_that_is_loaded_anew_is_prepared_wherever_it_lies_in_memory() -> None:
    try:
        for _ in range(50):
            sys.modules["again"] = types.ModuleType("again")
            exec("def find(name): return __import__(name)", vars(sys.modules["again"]))
            lookups.prepare(sys.modules["again"])
            assert "__import__" in vars(sys.modules["again"])
            del sys.modules["again"]
            gc.collect()
    finally:
        sys.modules.pop("again", None)
