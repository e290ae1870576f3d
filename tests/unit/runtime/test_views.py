"""importlib, pkgutil, importlib.resources and sys as packaged code sees them."""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import pkgutil
import sys

import pytest

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
