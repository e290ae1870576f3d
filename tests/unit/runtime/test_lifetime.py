"""Lifetime and threads: what is freed when, and that concurrent first imports are one import."""

from __future__ import annotations

import gc
import importlib
import inspect
import linecache
import os
import pickle
import subprocess
import sys
import textwrap
import threading
import traceback
import typing
import weakref

import pytest

from hermpkg_build import PackageImporter
from hermpkg_build.errors import ArchiveError

FILES = {
    "lib/__init__.py": "",
    "lib/things.py": """
        from dataclasses import dataclass
        @dataclass
        class Thing:
            size: "int" = 1
            def late(self):
                import lib.late
                return lib.late.value
    """,
    "lib/late.py": "value = 'late'\n",
}


def _mangled(prefix: str) -> list[str]:
    return [name for name in [*sys.modules, *linecache.cache] if str(name).startswith(prefix)]


def test_a_dropped_importer_is_freed_with_its_modules(artifact) -> None:
    importer = PackageImporter(artifact(FILES, ["dataclasses"]))
    thing = importer.import_module("lib.things").Thing()
    linecache.getlines(importer.import_module("lib.things").__file__)
    prefix = importer.id()
    watched = [
        weakref.ref(importer),
        weakref.ref(importer.import_module("lib.things")),
        weakref.ref(type(thing)),
    ]
    del importer, thing
    gc.collect()
    assert [reference() for reference in watched] == [None] * 3
    assert _mangled(prefix) == []


def test_what_is_in_use_keeps_its_package_whole(artifact) -> None:
    thing = PackageImporter(artifact(FILES, ["dataclasses"])).import_module("lib.things").Thing(2)
    gc.collect()
    name = type(thing).__module__
    assert sys.modules[name].Thing is type(thing)
    assert pickle.loads(pickle.dumps(thing)) == thing
    assert typing.get_type_hints(type(thing)) == {"size": int}
    assert "class Thing" in inspect.getsource(type(thing))
    assert thing.late() == "late"
    reference = weakref.ref(type(thing))
    del thing
    gc.collect()
    assert reference() is None
    assert name not in sys.modules


OVERLOADED = """
    from {typing} import overload
    class Thing:
        @overload
        def at(self, key: int) -> int: ...
        @overload
        def at(self, key: str) -> str: ...
        def at(self, key):
            return key
"""


@pytest.mark.parametrize("source", ["typing", "typing_extensions"])
def test_a_package_with_overloads_is_freed(artifact, source) -> None:
    keeper = pytest.importorskip(source)
    if not hasattr(keeper, "get_overloads"):
        pytest.skip("typing keeps overloads from Python 3.11 on")
    path = artifact({"lib.py": OVERLOADED.format(typing=source)}, [source])
    importer = PackageImporter(path)
    at = importer.import_module("lib").Thing.at
    for _ in range(2):
        assert [len(overload.__annotations__) for overload in keeper.get_overloads(at)] == [2, 2]
        gc.collect()
    with PackageImporter(path) as other:
        closed = weakref.ref(other.import_module("lib").Thing)
    reference = weakref.ref(at)
    del importer, other, at
    gc.collect()
    assert (reference(), closed()) == (None, None)


TYPED = """
    from typing import Callable, Generic, Optional, TypeVar
    Kind = TypeVar("Kind")
    class Thing(Generic[Kind]):
        def other(self) -> "Optional[Thing]":
            return None
    class Things(Thing[int]):
        pass
    types = [Optional[Thing], Callable[[Things], int], Optional[Thing[Things]]]
"""


def test_a_package_whose_types_typing_has_cached_is_freed(artifact) -> None:
    path = artifact({"lib.py": TYPED}, ["typing"])
    importer = PackageImporter(path)
    reference = weakref.ref(importer.import_module("lib").Thing)
    del importer
    gc.collect()
    assert reference() is None
    with PackageImporter(path) as importer:
        reference = weakref.ref(importer.import_module("lib").Thing)
    del importer
    gc.collect()
    assert reference() is None


def test_a_loader_that_linecache_keeps_does_not_keep_its_package(artifact, tmp_path) -> None:
    plugin = tmp_path / "plugin.py"
    plugin.write_text("import lib\nname = lib.__name__\n")
    source = """
        import importlib.machinery, importlib.util, linecache
        def run(path):
            loader = importlib.machinery.SourceFileLoader("plugin", path)
            module = importlib.util.module_from_spec(importlib.util.spec_from_loader("plugin", loader))
            loader.exec_module(module)
            linecache.lazycache(path, vars(module))
            return module.name
    """
    importer = PackageImporter(artifact({**FILES, "main.py": source}, ["importlib", "linecache"]))
    assert importer.import_module("main").run(str(plugin)) == f"{importer.id()}.lib"
    reference = weakref.ref(importer)
    del importer
    gc.collect()
    assert reference() is None
    assert linecache.getline(str(plugin), 1) == "import lib\n"


def test_what_is_in_use_works_on_after_the_importer_is_closed(artifact) -> None:
    path = artifact({**FILES, "lib/failing.py": "def fail():\n    raise KeyError('why')\n"}, ["dataclasses"])
    with PackageImporter(path) as importer:
        thing = importer.import_module("lib.things").Thing(3)
        fail = importer.import_module("lib.failing").fail
        prefix = importer.id()
    importer.close()
    assert importer.id() == prefix
    assert thing.late() == "late"
    assert "class Thing" in inspect.getsource(type(thing))
    assert pickle.loads(pickle.dumps(thing)) == thing
    with pytest.raises(KeyError) as caught:
        fail()
    assert "raise KeyError('why')" in "".join(traceback.format_exception(caught.value))
    references = [weakref.ref(importer), weakref.ref(type(thing))]
    del thing, fail, caught
    gc.collect()
    assert references[1]() is None
    assert _mangled(prefix) == []
    del importer
    assert references[0]() is None


def test_a_closed_importer_says_that_it_is_closed(artifact) -> None:
    importer = PackageImporter(artifact(FILES, ["dataclasses"]))
    in_use = importer.import_module("lib.things")
    importer.close()
    for call in (
        lambda: importer.load_text("lib", "late.py"),
        lambda: importer.load_pickle("lib", "late.py"),
        lambda: importer.import_module("lib.late"),
        lambda: importer.get_source("lib.late"),
        lambda: importer.get_resource_reader("lib"),
        lambda: importer.read_record("lib/late.py"),
        importer.record_names,
        importer.file_structure,
        importer.python_version,
        lambda: importer.zip_reader,
    ):
        for kind in (ValueError, ImportError):
            with pytest.raises(kind, match=f"the importer of {importer.filename} is closed"):
                call()
    assert in_use.Thing


@pytest.mark.parametrize("lost", [os.unlink, lambda path: os.truncate(path, 9)])
def test_tracebacks_can_be_printed_when_the_file_is_gone(artifact, lost) -> None:
    path = artifact(
        {"lib.py": "def fail():\n    raise KeyError('why')\ndef late():\n    import other\n", "other.py": ""}
    )
    with PackageImporter(path) as importer:
        lib = importer.import_module("lib")
    lost(path)
    with pytest.raises(KeyError) as caught:
        lib.fail()
    assert "in fail" in "".join(traceback.format_exception(caught.value))
    with pytest.raises(OSError, match="source code"):
        inspect.getsource(lib.fail)
    with pytest.raises(ArchiveError, match=r"written over|cannot be read any more"):
        lib.late()


def test_a_source_that_cannot_be_decoded_is_no_source(artifact) -> None:
    with PackageImporter(
        artifact({"lib.py": b"# coding: latin-9000\n", "bad.py": b"x = '\xff'\n"})
    ) as importer:
        for name in ("lib", "bad"):
            with pytest.raises(SyntaxError) as caught:
                importer.import_module(name)
            assert "SyntaxError" in "".join(traceback.format_exception(caught.value))
            with pytest.raises(ImportError, match="cannot be read"):
                importer.get_source(name)


def test_nothing_stays_behind_in_the_interpreter(artifact) -> None:
    # In a process of its own: other tests of this one may rightly hold importers.
    script = """
        import gc, sys
        before = list(sys.meta_path), list(gc.callbacks)
        from hermpkg_build import PackageImporter
        with PackageImporter(sys.argv[1]) as importer:
            importer.import_module("lib.things")
            assert (list(sys.meta_path), list(gc.callbacks)) != before
        gc.collect()
        assert (list(sys.meta_path), list(gc.callbacks)) == before
        assert not [name for name in sys.modules if name.startswith("<torch_package")]
        assert "torch" not in sys.modules and "starlark" not in sys.modules
    """
    path = artifact(FILES, ["dataclasses"])
    subprocess.run([sys.executable, "-c", textwrap.dedent(script), path], check=True)


def test_a_collection_while_modules_are_in_use_changes_nothing(artifact) -> None:
    with PackageImporter(
        artifact(
            {**FILES, "main.py": "import gc\ngc.collect()\nimport lib.late\ngc.collect()\n"},
            ["dataclasses", "gc"],
        )
    ) as importer:
        things = importer.import_module("lib.things")
        main = importer.import_module("main")
        before = dict(sys.modules)
        for _ in range(3):
            gc.collect()
        assert {name: module for name, module in sys.modules.items() if before.get(name) is not module} == {}
        assert importer.import_module("lib.things") is things
        assert main.lib.late is importer.import_module("lib.late")


def test_finalizers_can_import_during_a_collection(artifact) -> None:
    files = {
        "main.py": """
            seen = []
            class Last:
                def __init__(self): self.me = self
                def __del__(self):
                    import other
                    seen.append(other.value)
        """,
        "other.py": "value = 7\n",
    }
    with PackageImporter(artifact(files)) as importer:
        main = importer.import_module("main")
        importer.import_module("other")
        main.Last()
        gc.collect()
        assert main.seen == [7]


def test_finalizers_get_the_modules_themselves(artifact) -> None:
    files = {
        "lib/__init__.py": "",
        "lib/late.py": "value = 1\n",
        "main.py": """
            import importlib, sys
            import lib.late as before

            seen = []
            class Last:
                def __init__(self): self.me = self
                def __del__(self):
                    import lib, lib.late as module
                    seen.extend([lib.late, module, sys.modules["lib.late"]])
                    seen.append(importlib.import_module("lib.late"))
                    seen.append(importlib.import_module(".late", "lib"))
        """,
    }
    with PackageImporter(artifact(files, ["importlib", "sys"])) as importer:
        main = importer.import_module("main")
        main.Last()
        gc.collect()
        assert [module is main.before for module in main.seen] == [True] * 5


def test_concurrent_first_imports_run_each_module_once(artifact) -> None:
    files = {
        "slow/__init__.py": "import time\ntime.sleep(0.01)\nfrom . import a, b\n",
        "slow/a.py": "import time\ntime.sleep(0.01)\nfrom slow import b\nruns = [1]\ndone = True\n",
        "slow/b.py": "import time\ntime.sleep(0.01)\nimport slow.a\ndef ready(): return slow.a.done\n",
    }
    with PackageImporter(artifact(files, ["time"])) as importer:
        start, results, errors = threading.Barrier(8), [], []

        def work(name: str) -> None:
            start.wait()
            try:
                results.append(importer.import_module(name))
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(f"slow.{'ab'[i % 2]}",)) for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        assert not any(thread.is_alive() for thread in threads)
        assert errors == []
        assert len({id(module) for module in results}) == 2
        assert importer.import_module("slow.a").runs == [1]
        assert importer.import_module("slow.b").ready()


def test_threads_that_import_pickle_and_collect_at_once(artifact) -> None:
    files = {f"many/m{i}.py": f"class C:\n    def __init__(self): self.x = {i}\n" for i in range(60)}
    with PackageImporter(artifact(files)) as importer:
        errors = []
        done = threading.Event()

        def work() -> None:
            try:
                for i in range(60):
                    thing = importer.import_module(f"many.m{i}").C()
                    assert pickle.loads(pickle.dumps(thing)).x == i
            except BaseException as error:
                errors.append(error)

        def collect() -> None:
            while not done.is_set():
                gc.collect()

        collector = threading.Thread(target=collect)
        workers = [threading.Thread(target=work) for _ in range(4)]
        for thread in [collector, *workers]:
            thread.start()
        for thread in workers:
            thread.join(60)
        done.set()
        collector.join(60)
        assert errors == []
        assert {type(module).__name__ for module in importer.modules.copy().values()} <= {
            "module",
            "PackageImporter",
        }


def test_modules_are_found_by_importlib_while_open(artifact) -> None:
    with PackageImporter(artifact(FILES, ["dataclasses"])) as importer:
        name = f"{importer.id()}.lib.late"
        assert importlib.import_module(name).value == "late"
        assert importer.modules["lib.late"] is sys.modules[name]
        assert {"lib", "lib.late", "torch_package_importer"} <= set(importer.modules)
        assert importer.modules["torch_package_importer"] is importer
    gc.collect()
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module(name)


TABLE = """
    import sys
    table = sys.__dict__.setdefault("_hermpkg_test_table", set())
    if "name" in table:
        raise ValueError("the name is taken")
    table.add("name")
"""


# No other test has a module of this name, which one that is still alive could hold.
def test_a_collision_of_two_copies_says_that_there_are_two(load, monkeypatch) -> None:
    monkeypatch.setattr(sys, "_hermpkg_test_table", set(), raising=False)
    first = load({"colliding.py": TABLE}, ["sys"])
    first.import_module("colliding")
    second = load({"colliding.py": TABLE}, ["sys"])
    with pytest.raises(ValueError, match="the name is taken") as caught:
        second.import_module("colliding")
    note = _shown(caught.value)
    assert f"beside the copy of it from the artifact {first.filename}." in note
    assert second.filename in note
    assert "extern the module" in note
    first.close()
    del caught
    gc.collect()
    with pytest.raises(ValueError, match="the name is taken") as caught:
        second.import_module("colliding")
    assert f"from the artifact {first.filename}, which is closed" in _shown(caught.value)


def test_an_error_of_a_module_that_is_loaded_once_stays_as_it_is(load) -> None:
    with pytest.raises(ValueError, match="mine") as caught:
        load({"alone.py": "raise ValueError('mine')"}).import_module("alone")
    assert _shown(caught.value) == "ValueError: mine\n"


def test_an_error_about_a_missing_file_stays_as_it_is_beside_another_copy(load) -> None:
    files = {"alone.py": "import sys\nif sys.missing:\n    open('/nowhere/at.all')\n"}
    sys.missing = False
    try:
        load(files, ["sys"]).import_module("alone")
        sys.missing = True
        with pytest.raises(FileNotFoundError) as caught:
            load(files, ["sys"]).import_module("alone")
    finally:
        del sys.missing
    assert "beside" not in _shown(caught.value)


def _shown(error: Exception) -> str:
    """What people read below the traceback: Python 3.10 shows no notes."""
    return "".join(traceback.format_exception_only(type(error), error))
