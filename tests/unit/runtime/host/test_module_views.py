"""importlib, pkgutil, importlib.resources and sys as packaged code sees them."""

from __future__ import annotations

import gc
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import pickle
import pkgutil
import pydoc
import sys
import threading
import types
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest

from hermpkg_build.runtime.host.overrides import OVERRIDES

LIB = {
    "lib/__init__.py": "",
    "lib/one.py": "value = 1\n",
    "lib/sub/__init__.py": "",
    "lib/sub/two.py": "value = 2\n",
    "lib/data.txt": "data",
}
EXTERNS = ["importlib", "pkgutil", "sys", "json"]


def test_import_module_is_bound_to_the_package(load) -> None:
    importer = load(
        {
            **LIB,
            "lib/dynamic.py": """
                import importlib
                from importlib import import_module
                a = importlib.import_module("lib.one")
                b = import_module(".sub.two", __package__)
                c = import_module("..one", "lib.sub")
                d = import_module("json")
                e = import_module(__name__)
                f = import_module("importlib") is importlib
                try:
                    import_module("csv")
                except ModuleNotFoundError as error:
                    refused = error.name
                try:
                    import_module(".x")
                except TypeError as error:
                    needs_package = str(error)
            """,
        },
        EXTERNS,
    )
    module = importer.import_module("lib.dynamic")
    assert module.a is module.c is importer.import_module("lib.one")
    assert module.b is importer.import_module("lib.sub.two")
    assert module.d is importlib.import_module("json")
    assert module.e is module
    assert module.f
    assert module.refused == "csv"
    assert "'package' argument" in module.needs_package


def test_find_spec_knows_packaged_modules_and_hides_the_hosts(load) -> None:
    importer = load(
        {
            **LIB,
            "main.py": """
                import importlib.util
                from importlib.util import find_spec
                found = [find_spec("lib.one"), find_spec(".one", "lib"), importlib.util.find_spec("json")]
                absent = [find_spec("csv"), find_spec("lib.none")]
                try:
                    find_spec("csv.deep")
                except ModuleNotFoundError as error:
                    parent = error.name
                fresh = importlib.util.module_from_spec(find_spec("lib.one"))
                fresh.__spec__.loader.exec_module(fresh)
            """,
        },
        EXTERNS,
    )
    main = importer.import_module("main")
    name = f"{importer.id()}.lib.one"
    assert [spec.name for spec in main.found] == [name, name, "json"]
    assert main.absent == [None, None]
    assert main.parent == "csv"
    assert main.fresh.value == 1


def test_pkgutil_walks_the_package(load) -> None:
    importer = load(
        {
            **LIB,
            "main.py": """
                import pkgutil
                import lib
                top = sorted(info.name for info in pkgutil.iter_modules())
                direct = [(info.name, info.ispkg) for info in pkgutil.iter_modules(lib.__path__)]
                walked = [info.name for info in pkgutil.walk_packages(lib.__path__, "lib.")]
                mangled = [info.name for info in pkgutil.walk_packages(lib.__path__, lib.__name__ + ".")]
                data = pkgutil.get_data("lib", "data.txt")
                own = pkgutil.get_data(lib.__name__, "data.txt")
                named = pkgutil.resolve_name("lib.one:value"), pkgutil.resolve_name("lib.sub.two.value")
                infos = pkgutil.iter_modules(lib.__path__)
                specs = [info.module_finder.find_spec(info.name) for info in infos]
            """,
        },
        EXTERNS,
    )
    main, prefix = importer.import_module("main"), importer.id()
    assert main.top == ["lib", "main"]
    assert main.direct == [("one", False), ("sub", True)]
    assert main.walked == ["lib.one", "lib.sub", "lib.sub.two"]
    assert main.mangled == [f"{prefix}.{name}" for name in main.walked]
    assert main.data == main.own == b"data"
    assert main.named == (1, 2)
    assert [spec.name for spec in main.specs] == [f"{prefix}.lib.one", f"{prefix}.lib.sub"]


def test_walk_packages_reports_packages_that_fail(load) -> None:
    importer = load(
        {
            "bad/__init__.py": "raise ImportError('no')\n",
            "worse/__init__.py": "raise ValueError('no')\n",
            "main.py": """
                import pkgutil
                failed = []
                names = [info.name for info in pkgutil.walk_packages(None, "", failed.append)]
                def strict():
                    return list(pkgutil.walk_packages())
            """,
        },
        EXTERNS,
    )
    main = importer.import_module("main")
    assert main.failed == ["bad", "worse"]
    assert main.names == ["bad", "main", "worse"]
    with pytest.raises(ValueError, match="no"):
        main.strict()


def test_sys_modules_has_plain_names_of_this_package_only(load) -> None:
    importer = load(
        {
            **LIB,
            "main.py": """
                import sys
                import lib.one
                import json
                plain = sys.modules["lib.one"]
                own = sys.modules[__name__]
                has = ["json" in sys.modules, "lib" in sys.modules, "csv" in sys.modules]
                sys.modules["lib.made_up"] = made_up = lib.one
                import lib.made_up as imported
                names = list(sys.modules)
                del sys.modules["lib.made_up"]
            """,
        },
        EXTERNS,
    )
    import csv  # noqa: F401 -- loaded in the host, and yet not there for the package

    main = importer.import_module("main")
    assert main.plain is importer.import_module("lib.one")
    assert main.own is main
    assert main.has == [True, True, False]
    assert main.imported is main.plain
    assert {"lib.one", "lib.made_up", "json"} <= set(main.names)
    assert "lib.made_up" not in sys.modules
    assert f"{importer.id()}.lib.made_up" not in sys.modules


def test_all_modules_can_be_taken_away_and_put_back(load) -> None:
    """As unittest.mock.patch.dict does."""
    importer = load(
        {
            **LIB,
            "main.py": """
                import json
                import sys
                import types
                import lib.one

                before = sys.modules.copy()
                sys.modules["lib.made"] = made = types.ModuleType("lib.made")
                from lib import made as found
                sys.modules.clear()
                empty = list(sys.modules)
                sys.modules.update(before)
                after = sys.modules.copy()
                from lib import one
            """,
        },
        [*EXTERNS, "types"],
    )
    host = dict(sys.modules)
    main = importer.import_module("main")
    assert main.found is main.made
    assert main.empty == ["torch_package_importer"]
    assert main.after == main.before
    assert main.one is main.lib.one
    assert importer.modules["torch_package_importer"] is importer
    assert {name: module for name, module in host.items() if sys.modules.get(name) is not module} == {}


def test_an_extern_that_packaged_code_replaces_is_replaced_for_it_alone(load) -> None:
    """As code does that brings a newer copy of a standard module, or wants one not to be there."""
    importer = load(
        {
            "stand_in.py": "value = 1\n",
            "main.py": """
                import importlib, sys
                import json.decoder
                sys.modules["json"] = sys.modules.pop("stand_in", None) or __import__("stand_in")
                sys.modules["pkgutil"] = None
                import json
                from json import value
                again = importlib.import_module("json")
                try:
                    import pkgutil
                except ImportError as error:
                    absent = error.name
                popped = sys.modules.pop("importlib", None)
                missing = sys.modules.pop("nothing", "default")
                del sys.modules["json"]
                import json as back
                import json.decoder as decoder
            """,
        },
        [*EXTERNS, "json.decoder"],
    )
    main = importer.import_module("main")
    assert main.json.__name__ == f"{importer.id()}.stand_in"
    assert (main.value, main.absent, main.missing) == (1, "pkgutil", "default")
    assert main.again is main.json
    assert main.back is sys.modules["json"] is json
    assert main.decoder is json.decoder
    assert sys.modules["pkgutil"] is pkgutil


def test_a_module_that_is_put_where_it_has_no_package_has_none(load) -> None:
    importer = load({"main.py": 'import sys\nsys.modules["made.up"] = sys\nimport made.up\n'}, EXTERNS)
    with pytest.raises(ModuleNotFoundError, match="No module named 'made'"):
        importer.import_module("main")


def test_a_view_is_live_and_writes_through(load) -> None:
    importer = load(
        {
            "main.py": """
                import sys
                modules = sys.modules
                def out(): return sys.stdout
                def flag(value): sys.hermpkg_flag = value
                def unflag(): del sys.hermpkg_flag
            """
        },
        EXTERNS,
    )
    main = importer.import_module("main")
    assert main.sys is not sys
    assert main.out() is sys.stdout
    main.flag(3)
    assert sys.hermpkg_flag == main.sys.hermpkg_flag == 3
    main.unflag()
    assert not hasattr(sys, "hermpkg_flag")
    assert {"modules", "stdout"} <= set(dir(main.sys))


def test_a_function_that_packaged_code_replaces_is_replaced_for_it_alone(load) -> None:
    before = importlib.import_module
    importer = load(
        {
            "lib.py": "",
            "main.py": """
                import importlib
                from unittest import mock

                with mock.patch.object(importlib, "import_module", lambda name: 5):
                    mocked = importlib.import_module("lib"), vars(importlib)["import_module"](1)
                bound = importlib.import_module
                def replaced(name): return bound(name), name
                importlib.import_module = replaced
                seen = importlib.import_module("lib")
                del importlib.import_module
                after = importlib.import_module
                try:
                    del importlib.import_module
                except AttributeError as error:
                    refusal = str(error)
            """,
        },
        [*EXTERNS, "unittest", "unittest.mock"],
    )
    main = importer.import_module("main")
    assert importlib.import_module is before
    assert main.mocked == (5, 5)
    assert main.seen == (importer.import_module("lib"), "lib")
    assert main.after is main.bound
    assert "'importlib'" in main.refusal


def test_what_is_set_in_the_host_shows_in_the_namespace_and_is_never_a_view(load, monkeypatch) -> None:
    monkeypatch.setattr(sys, "hermpkg_flag", None, raising=False)
    importer = load(
        {
            "main.py": """
                import importlib, sys
                sys.modules
                sys.hermpkg_flag = importlib
                same = sys.hermpkg_flag is vars(sys)["hermpkg_flag"] is importlib
            """
        },
        EXTERNS,
    )
    main = importer.import_module("main")
    assert sys.hermpkg_flag is importlib
    assert main.same


@pytest.mark.parametrize(
    "source",
    [
        "import sys as _sys\nmodules = _sys.modules\n",
        "import json, sys as s\nmodules = s . modules\n",
        "from sys import (\n    path,\n    modules,\n)\n",
    ],
)
def test_sys_modules_is_the_packages_by_whatever_name(load, source) -> None:
    main = load({"main.py": source}, EXTERNS).import_module("main")
    assert main.modules is not sys.modules


def test_threads_that_need_a_view_at_once_get_the_same(load, monkeypatch) -> None:
    barrier = threading.Barrier(2)
    make = OVERRIDES["pkgutil"]

    def make_together(space, host):
        with suppress(threading.BrokenBarrierError):
            barrier.wait(300)
        return make(space, host)

    monkeypatch.setitem(OVERRIDES, "pkgutil", make_together)
    importer = load({"one.py": "import pkgutil\n", "two.py": "import pkgutil\n"}, EXTERNS)
    with ThreadPoolExecutor(2) as pool:
        one, two = pool.map(importer.import_module, ["one", "two"])
    assert one.pkgutil is two.pkgutil


def test_a_view_is_made_while_the_host_changes(load, monkeypatch) -> None:
    class Lazy(type(pkgutil)):
        @property
        def __name__(self) -> str:
            # As another thread would that imports a submodule just then.
            monkeypatch.setattr(pkgutil, f"new{len(vars(pkgutil))}", None, raising=False)
            return "lazy"

    monkeypatch.setattr(pkgutil, "lazy", Lazy("lazy"), raising=False)
    main = load({"main.py": "import pkgutil\n"}, EXTERNS).import_module("main")
    assert main.pkgutil is not pkgutil


def test_reload_takes_packaged_modules_and_views(load) -> None:
    importer = load(
        {
            "lib.py": "import importlib\ncount = globals().get('count', 0) + 1\n",
            "main.py": """
                import importlib, pkgutil
                import lib
                same = importlib.reload(lib) is lib, importlib.reload(pkgutil) is pkgutil
            """,
        },
        EXTERNS,
    )
    main = importer.import_module("main")
    assert main.same == (True, True)
    assert main.lib.count == 2
    assert sys.modules["pkgutil"] is pkgutil


def test_a_class_that_stands_for_the_hosts_can_be_derived_from_as_that_can(load) -> None:
    importer = load(
        {
            "main.py": """
                import abc
                from importlib.machinery import SourceFileLoader

                name = SourceFileLoader.__module__, SourceFileLoader.__qualname__

                class Mixin:
                    def __init_subclass__(cls, tag=None):
                        cls.tag = tag

                class Mixed(Mixin, SourceFileLoader, tag=1):
                    pass

                class Abstract(SourceFileLoader, abc.ABC):
                    @abc.abstractmethod
                    def work(self): ...

                class Concrete(Abstract):
                    def work(self): return 2
            """
        },
        [*EXTERNS, "abc"],
    )
    main = importer.import_module("main")
    mixed, concrete = main.Mixed("a", "a.py"), main.Concrete("b", "b.py")
    host = importlib.machinery.SourceFileLoader
    assert main.name == (host.__module__, host.__qualname__)
    assert main.Mixed.tag == 1
    assert concrete.work() == 2
    assert isinstance(mixed, importlib.machinery.SourceFileLoader)
    assert isinstance(mixed, main.Mixed)
    assert not isinstance(main.Mixin(), main.Mixed)
    assert not issubclass(main.Concrete, main.Mixed)
    with pytest.raises(TypeError, match="abstract"):
        main.Abstract("c", "c.py")


def test_code_that_does_not_use_sys_modules_has_the_real_sys(load) -> None:
    importer = load({"main.py": "import sys\nversion = sys.version_info\n"}, EXTERNS)
    assert importer.import_module("main").sys is sys


def test_host_modules_are_what_they_were(load) -> None:
    before = (importlib.import_module, importlib.util.find_spec, pkgutil.iter_modules, sys.modules)
    load(
        {**LIB, "main.py": "import importlib, importlib.util, pkgutil, sys\nm = sys.modules\n"}, EXTERNS
    ).import_module("main")
    assert before == (importlib.import_module, importlib.util.find_spec, pkgutil.iter_modules, sys.modules)
    assert "lib" not in sys.modules


METADATA = "Metadata-Version: 2.1\nName: Lib.Core\nVersion: 7.1\nRequires-Dist: torch\nProvides-Extra: all\n"


def test_versions_of_packed_distributions_are_those_that_were_packed(load) -> None:
    importer = load(
        {
            **LIB,
            "lib_core-7.1.dist-info/METADATA": METADATA,
            "main.py": """
                import importlib.metadata
                from importlib.metadata import PackageNotFoundError, version
                from importlib import metadata as meta
                own = [version("lib-core"), importlib.metadata.version("Lib.Core")]
                name = meta.metadata("lib_core")["Name"]
                requires = meta.requires("lib-core")
                entries = list(meta.distribution("lib-core").entry_points)
                hosts = version("pytest")
                try:
                    version("no-such-distribution")
                except PackageNotFoundError as error:
                    missing = str(error)
            """,
        },
        ["importlib"],
    )
    main = importer.import_module("main")
    assert main.own == ["7.1", "7.1"]
    assert main.name == "Lib.Core"
    assert main.requires == ["torch"]
    assert main.entries == []
    assert main.hosts == importlib.metadata.version("pytest")
    assert "no-such-distribution" in main.missing
    with pytest.raises(importlib.metadata.PackageNotFoundError):
        importlib.metadata.version("lib-core")


def test_entry_points_of_packed_distributions_lead_to_packed_modules(load) -> None:
    importer = load(
        {
            **LIB,
            "lib_core-7.1.dist-info/METADATA": METADATA,
            "lib_core-7.1.dist-info/entry_points.txt": "[plugins]\none = lib.one:value\nsub = lib.sub\n",
            "main.py": """
                from importlib import metadata
                own = [point.load() for point in metadata.distribution("lib-core").entry_points]
                plugins = metadata.entry_points(group="plugins")
                loaded = {point.name: point.load() for point in plugins}
                owner = [point.dist.version for point in plugins]
                commands = {point.name for point in metadata.entry_points(group="console_scripts")}
                everything = metadata.entry_points()
                found = [d.version for d in metadata.distributions() if d.metadata["Name"] == "Lib.Core"]
                named = [d.version for d in metadata.distributions(name="lib-core")]
            """,
        },
        ["importlib"],
    )
    main = importer.import_module("main")
    assert main.loaded == {"one": 1, "sub": importer.import_module("lib.sub")}
    assert main.own == list(main.loaded.values())
    assert main.owner == ["7.1", "7.1"]
    assert main.commands == {point.name for point in importlib.metadata.entry_points(group="console_scripts")}
    assert type(main.everything) is type(importlib.metadata.entry_points())
    assert main.found == main.named == ["7.1"]
    assert not list(importlib.metadata.entry_points(group="plugins"))


def test_where_no_distribution_is_packed_those_of_the_host_are_not_compared(load, monkeypatch) -> None:
    monkeypatch.setattr("hermpkg_build.runtime.host.metadata_views._name_of", None)
    source = "from importlib import metadata\nnames = [each.name for each in metadata.distributions()]\n"
    names = load({**LIB, "main.py": source}, ["importlib"]).import_module("main").names
    assert names == [each.name for each in importlib.metadata.distributions()]


def test_sources_loaded_by_their_path_are_modules_of_the_package(load) -> None:
    importer = load(
        {
            **LIB,
            "lib/plugin.py": """
                from lib.one import value
                class Plugin:
                    pass
            """,
            "main.py": """
                import importlib.util, os, sys
                from importlib import machinery
                from importlib.machinery import SourceFileLoader
                import lib
                path = os.path.join(os.path.dirname(lib.__file__), "plugin.py")
                loader = SourceFileLoader("lib.plug", path)
                first = importlib.util.module_from_spec(importlib.util.spec_from_loader("lib.plug", loader))
                loader.exec_module(first)
                with_loader = importlib.util.spec_from_file_location("other", path, loader=loader)
                spec = importlib.util.spec_from_file_location("other", path)
                second = importlib.util.module_from_spec(spec)
                second.__spec__.loader.exec_module(second)
                def load_module():
                    return machinery.SourceFileLoader("lib.loaded", path).load_module()
                import json
                class Own(SourceFileLoader):
                    pass
                checks = [
                    isinstance(json.__loader__, SourceFileLoader), isinstance(loader, SourceFileLoader),
                    isinstance(json.__loader__, Own), isinstance(Own("lib.own", path), Own),
                    issubclass(type(json.__loader__), machinery.SourceFileLoader), issubclass(int, Own),
                ]
                def outside(path):
                    return SourceFileLoader("outside", path).get_code("outside")
            """,
        },
        ["importlib", "json", "os", "sys"],
    )
    main = importer.import_module("main")
    assert main.first.value == main.second.value == 1
    assert main.checks == [True, True, False, True, True, False]
    assert main.first.Plugin.__module__ == f"{importer.id()}.lib.plug"
    assert main.loader.get_data(main.path) == main.loader.get_source("lib.plug").encode()
    assert main.outside(__file__).co_filename == __file__
    if sys.version_info < (3, 15):
        loaded = main.load_module()
        assert importer.modules["lib.loaded"] is loaded
        assert sys.modules[loaded.Plugin.__module__] is loaded
    assert not {"lib", "lib.plug", "lib.loaded"} & sys.modules.keys()


def test_names_are_located_in_the_package(load) -> None:
    importer = load(
        {
            **LIB,
            "lib/broken.py": "import lib.one\nraise ValueError('broken')\n",
            "main.py": """
                import pydoc
                from pydoc import locate
                import lib.one
                found = locate("lib.one.value"), pydoc.locate("lib.sub.two").value
                same = locate("lib.one") is lib.one
                lost = locate("lib.none"), locate("lib.one.none"), locate("nowhere.at.all"), locate("")
                outside = locate("json.loads"), locate("int")
                def fail():
                    locate("lib.broken.value")
            """,
        },
        [*EXTERNS, "pydoc"],
    )
    main = importer.import_module("main")
    assert main.found == (1, 2)
    assert main.same
    assert main.lost == (*[None] * 3, pydoc.locate(""))
    assert main.outside == (json.loads, int)
    with pytest.raises(pydoc.ErrorDuringImport, match="broken"):
        main.fail()
    assert pydoc.locate("lib.one") is None


WRITES_CODE = """
    import importlib.util, os, sys, tempfile
    from importlib.machinery import SourceFileLoader
    import lib.one

    SOURCE = [
        "from __future__ import annotations",
        "import dataclasses, sys",
        "import lib.one",
        f"from {lib.one.__name__} import value",
        "is_own = lib.one is sys.modules['lib.one']",
        "@dataclasses.dataclass",
        "class Made:",
        "    part: dataclasses.InitVar[int] = 1",
    ]

    def write(folder):
        path = os.path.join(folder, "written.py")
        with open(path, "w") as file:
            file.writelines(f"{line}\\n" for line in SOURCE)
        return path

    def by_location(folder):
        spec = importlib.util.spec_from_file_location("lib.written", write(folder))
        module = sys.modules["lib.written"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def by_loader(folder):
        loader = SourceFileLoader("lib.written", write(folder))
        module = importlib.util.module_from_spec(importlib.util.spec_from_loader("lib.written", loader))
        sys.modules["lib.written"] = module
        loader.exec_module(module)
        return module
"""


@pytest.mark.parametrize("way", ["by_location", "by_loader"])
def test_code_that_packaged_code_writes_imports_what_the_package_does(load, tmp_path, way: str) -> None:
    importer = load(
        {**LIB, "main.py": WRITES_CODE},
        [*EXTERNS, "dataclasses", "os", "tempfile"],
    )
    main = importer.import_module("main")
    written = getattr(main, way)(str(tmp_path))
    assert written.value == 1
    assert written.is_own
    assert importer.modules["lib.written"] is written
    assert not {"lib", "lib.one", "lib.written"} & sys.modules.keys()


def test_a_loader_of_an_importer_that_is_gone_says_so(load, tmp_path) -> None:
    importer = load({**LIB, "main.py": WRITES_CODE}, [*EXTERNS, "dataclasses", "os", "tempfile"])
    loader = importer.import_module("main").by_location(str(tmp_path)).__loader__
    importer.close()
    del importer
    gc.collect()
    with pytest.raises(ImportError, match=r"is (gone|closed)"):
        loader.exec_module(types.ModuleType(loader.name))


MAKER = """
    import sys
    import types
    from importlib.machinery import ModuleSpec

    class Finder:
        def find_spec(self, name, path=None, target=None):
            return ModuleSpec(name, self) if name == __name__ + ".made" else None
        def create_module(self, spec):
            return None
        def exec_module(self, module):
            module.value = "made"

    sys.meta_path.append(Finder())
    sys.modules[__name__ + ".put"] = put = types.ModuleType(__name__ + ".put")
    put.value = "put"
"""


def test_modules_that_code_makes_while_it_runs_are_found(load, monkeypatch) -> None:
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    importer = load(
        {
            "lib/__init__.py": MAKER,
            "main.py": """
                import lib.put
                import lib.made
                from lib.made import value as made
                from lib.put import value as put
                values = [lib.made.value, made, put]
                try:
                    import lib.none
                except ModuleNotFoundError as error:
                    missing = str(error)
            """,
        },
        ["sys", "types", "importlib"],
    )
    main = importer.import_module("main")
    assert main.values == ["made", "made", "put"]
    assert "'lib' is packaged, but this part of it is not" in main.missing
    assert not {"lib", "lib.made", "lib.put"} & sys.modules.keys()


def test_names_in_what_packaged_code_unpickles_are_those_of_its_package(load) -> None:
    source = """
        import io
        import pickle
        from pickle import loads

        class Inner:
            class Nested:
                pass

        class Reader(pickle.Unpickler):
            def find_class(self, module, name):
                return super().find_class(module, name)

        def by_file(data):
            return pickle.load(io.BytesIO(data))

        def by_class(data):
            return Reader(io.BytesIO(data)).load()

        def by_python(data):
            return pickle._Unpickler(io.BytesIO(data)).load()
    """
    importer = load({"lib.py": source}, ["io", "pickle"])
    lib = importer.import_module("lib")
    for read in (lib.loads, lib.by_file, lib.by_class, lib.by_python):
        assert read(b"clib\nInner\n.") is lib.Inner
        assert read(b"\x80\x04\x8c\x03lib\x8c\x0cInner.Nested\x93.") is lib.Inner.Nested
        assert read(pickle.dumps(lib.Inner)) is lib.Inner
        assert read(pickle.dumps([json.JSONDecoder, 1])) == [json.JSONDecoder, 1]
        with pytest.raises(AttributeError):
            read(b"clib\nOuter\n.")
        with pytest.raises(ModuleNotFoundError):
            read(b"cnowhere\nInner\n.")
    assert lib.loads(pickle.dumps((1, 2), 5), buffers=None) == (1, 2)
    with pytest.raises(TypeError):
        lib.loads("text")
    assert issubclass(lib.Reader, pickle.Unpickler)
    with pytest.raises(ModuleNotFoundError):
        pickle.loads(b"clib\nInner\n.")


class HoldsPickle:
    """Is remade from a pickle in its state, by whichever function it was given for that."""

    def __init__(self, loads, data: bytes) -> None:
        self._loads, self._data = loads, data

    def __reduce__(self):
        return self._loads, (self._data,)


def test_a_pickle_in_the_state_of_an_object_is_of_the_package_too(load) -> None:
    inner = b"clib\nInner\n."
    outer = pickle.dumps(HoldsPickle(pickle.loads, inner), 3)
    importer = load({"lib.py": "import pickle\nclass Inner: pass\n", "m/m.pkl": outer}, ["pickle", "_pickle"])
    lib = importer.import_module("lib")
    assert importer.load_pickle("m", "m.pkl") is lib.Inner
    again = pickle.dumps(HoldsPickle(lib.pickle.loads, pickle.dumps([1])))
    assert pickle.loads(again) == lib.pickle.loads(again) == [1]


def test_the_type_of_a_view_stands_for_that_of_modules(load) -> None:
    importer = load(
        {
            "lib/__init__.py": "",
            "lib/plain.py": "value = 1\n",
            "lib/settings.py": """
                import importlib
                import sys

                class Settings(type(sys)):
                    @property
                    def scale(self):
                        return super().__getattribute__("value") * 3

                class Tagged(type(importlib)):
                    def __init_subclass__(cls, tag, **options):
                        super().__init_subclass__(**options)
                        cls.tag = tag

                class Sub(Tagged, tag="t"):
                    pass

                value = 2
                made = type(sys)("made", "its text")
                sys.modules[__name__].__class__ = Settings
            """,
            "lib/asks.py": """
                import json
                import sys
                from lib import plain, settings
                modules = type(sys)
                tried = sys, json, plain, settings, settings.made, sys.modules, 3
                are = [isinstance(each, modules) for each in tried]
                equal = type(json) == modules, modules == type(plain), modules == int
                found = {type(json): "one"}[modules]
                below = issubclass(settings.Settings, modules), issubclass(int, modules)
            """,
        },
        EXTERNS,
    )
    settings = importer.import_module("lib.settings")
    assert settings.scale == 6
    assert settings.Settings.__mro__[1:] == (types.ModuleType, object)
    assert settings.Sub("x").tag == "t"
    assert type(settings.made) is types.ModuleType
    assert (settings.made.__name__, settings.made.__doc__) == ("made", "its text")
    asks = importer.import_module("lib.asks")
    assert asks.are == [True, True, True, True, True, False, False]
    assert asks.equal == (True, True, False)
    assert asks.found == "one"
    assert asks.below == (True, False)
