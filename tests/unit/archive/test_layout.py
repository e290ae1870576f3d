"""Names of records, and the inverse of naming a module's."""

from __future__ import annotations

import pytest

from hermpkg_build.archive.layout import (
    module_of_record,
    module_record_name,
    problem_with_name,
    resource_record_name,
    storage_record_name,
)


@pytest.mark.parametrize("module", [("a", False), ("a.b", False), ("a.b", True), ("größe._x", True)])
def test_a_modules_record_names_the_module(module: tuple[str, bool]) -> None:
    assert module_of_record(module_record_name(*module)) == module


@pytest.mark.parametrize(
    "name", [".data/version", "a/b.txt", "a-b.py", ".data/x.py", "__init__.pyc", "1/a.py"]
)
def test_other_records_name_no_module(name: str) -> None:
    assert module_of_record(name) is None


def test_names_as_torch_package_has_them() -> None:
    assert module_record_name("a.b", False) == "a/b.py"
    assert module_record_name("a.b", True) == "a/b/__init__.py"
    assert storage_record_name(12) == ".data/12.storage"
    assert resource_record_name("my.config", "en/words.txt") == "my/config/en/words.txt"
    assert resource_record_name("", "words.txt") == "words.txt"


@pytest.mark.parametrize("name", ["a", ".data/version", "a b/ü.txt", "...", ".a/..b/c..", "C:x"])
def test_names_a_record_can_have(name: str) -> None:
    assert problem_with_name(name) == ""


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", ".", "..", "./a", "a/..", "a/../b", "a\\b", "\0"])
def test_names_a_record_cannot_have(name: str) -> None:
    assert problem_with_name(name)
