"""Dotted names of modules, their records, and what is neither."""

from __future__ import annotations

import pytest

from hermpkg_build.core.module_names import is_module_name, module_of_record, record_of_module


@pytest.mark.parametrize(
    ("name", "is_package", "record"),
    [
        ("a", False, "a.py"),
        ("a.b", False, "a/b.py"),
        ("a.b", True, "a/b/__init__.py"),
        ("größe._x", True, "größe/_x/__init__.py"),
        ("my-pkg.1st.class", False, "my-pkg/1st/class.py"),
        ("the pkg.the mod", False, "the pkg/the mod.py"),
        ("__init__", False, "__init__.py"),
        ("a.__init__", True, "a/__init__/__init__.py"),
    ],
)
def test_a_module_and_its_record_name_each_other(name: str, is_package: bool, record: str) -> None:
    assert record_of_module(name, is_package) == record
    assert module_of_record(record) == (name, is_package)


@pytest.mark.parametrize(
    "record",
    [
        *(
            ".data/version",
            ".data/x.py",
            "a/b.txt",
            "__init__.pyc",
            "a.py/b",
            "a.b.py",
            "a.b/c.py",
            ".py",
            "/a.py",
        ),
        *("a//b.py", "a/ b.py", "a/b .py", "a\n.py", "a\\b.py", ""),
    ],
)
def test_other_records_hold_no_module(record: str) -> None:
    assert module_of_record(record) is None


@pytest.mark.parametrize(
    "name", ["", ".", "a.", ".a", "a..b", "a/b", "a\\b", "a\n", " a", "a. b", "a\tb", "\0"]
)
def test_what_names_no_module(name: str) -> None:
    assert not is_module_name(name)
