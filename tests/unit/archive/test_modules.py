"""Which modules and packages records hold, and whose the data files are."""

from __future__ import annotations

import pytest

from hermpkg_build.archive import modules
from hermpkg_build.archive.modules import PackedModules
from hermpkg_build.archive.resource_records import data_files
from hermpkg_build.core.module_names import module_of_record
from hermpkg_build.runtime.importing.roles import ModuleRole, ModuleTree

RECORDS = [
    ".data/version",
    "__init__.py",
    "a/__init__.py",
    "a/b.py",
    "a.py",
    "my-pkg/mod.py",
    "ns/deep/mod.py",
    "conf/v1.0/words.txt",
    "a/b.c.py",
]


def test_modules_with_a_source() -> None:
    assert PackedModules(RECORDS).sources == {
        "__init__": "__init__.py",
        "a": "a/__init__.py",
        "a.b": "a/b.py",
        "my-pkg.mod": "my-pkg/mod.py",
        "ns.deep.mod": "ns/deep/mod.py",
    }


@pytest.mark.parametrize("records", [RECORDS, RECORDS[::-1]])
def test_a_package_comes_before_a_module_of_its_name(records: list[str]) -> None:
    assert PackedModules(records).source("a") == "a/__init__.py"


def test_the_source_of_a_package_is_that_of_a_plain_module_too() -> None:
    packed = PackedModules(RECORDS)
    assert packed.source("a.__init__") == "a/__init__.py"
    assert not packed.is_package("a.__init__")
    for name in ("a.b.__init__", "ns.__init__", "conf.__init__", "missing.__init__"):
        assert packed.source(name) is None


def test_one_module_is_found_without_a_look_at_all_others(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = 0

    def module_of(record: str) -> object:
        nonlocal looks
        looks += 1
        return module_of_record(record)

    monkeypatch.setattr(modules, "module_of_record", module_of)
    tree = ModuleTree([f"p/m{number}.py" for number in range(5000)], ["torch"])
    assert tree.source_record("p.m7") == "p/m7.py"
    assert tree.role("p") is ModuleRole.NAMESPACE
    assert tree.role("torch.nn") is ModuleRole.EXTERN
    assert tree.role("p.missing") is ModuleRole.MISSING
    assert looks < 10
    assert len(tree.packed.sources) == 5000


def test_packages() -> None:
    packed = PackedModules(RECORDS)
    assert packed.folders == {"a", "my-pkg", "ns", "ns.deep", "conf"}
    assert [
        name for name in ("a", "a.b", "ns", "conf", "conf.v1", "__init__") if packed.is_package(name)
    ] == [
        "a",
        "ns",
        "conf",
    ]
    assert packed.is_namespace("ns")
    assert not packed.is_namespace("a")
    assert packed.children("") == ["a", "conf", "my-pkg", "ns"]
    assert packed.children("a") == ["b"]
    assert packed.above_sources == {"a", "my-pkg", "ns", "ns.deep"}


@pytest.mark.parametrize(
    ("modules", "files"),
    [
        (["a"], ["a/x.bin", "a/tables/x.bin"]),
        (["a.b"], ["a/x.bin", "a/tables/x.bin"]),
        (["my-pkg.mod"], ["my-pkg/x.bin"]),
        (["ns.deep.mod"], ["ns/x.bin", "ns/deep/x.bin"]),
        (["ns"], ["ns/x.bin"]),
        (["__init__"], []),
        ([], []),
    ],
)
def test_data_files_of_modules(modules: list[str], files: list[str]) -> None:
    every = ["x.bin", "a/x.bin", "a/tables/x.bin", "my-pkg/x.bin", "ns/x.bin", "ns/deep/x.bin", "conf/x.bin"]
    assert list(data_files(PackedModules(RECORDS), modules, every)) == files
