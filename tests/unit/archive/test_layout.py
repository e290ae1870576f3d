"""Names of records."""

from __future__ import annotations

import pytest

from hermpkg_build.archive.layout import (
    problem_with_name,
    resource_record_name,
    storage_record_name,
)


def test_names_as_torch_package_has_them() -> None:
    assert storage_record_name(12) == ".data/12.storage"
    assert resource_record_name("my.config.en", "words.txt") == "my/config/en/words.txt"
    assert resource_record_name("", "words.txt") == "words.txt"


@pytest.mark.parametrize("resource", ["", "en/words.txt"])
def test_resources_that_are_not_files_of_the_package(resource: str) -> None:
    with pytest.raises(ValueError, match="must be only a file name"):
        resource_record_name("my.config", resource)


@pytest.mark.parametrize("name", ["a", ".data/version", "a b/ü.txt", "...", ".a/..b/c..", "C:x"])
def test_names_a_record_can_have(name: str) -> None:
    assert problem_with_name(name) == ""


@pytest.mark.parametrize("name", ["", "/a", "a/", "a//b", ".", "..", "./a", "a/..", "a/../b", "a\\b", "\0"])
def test_names_a_record_cannot_have(name: str) -> None:
    assert problem_with_name(name)
