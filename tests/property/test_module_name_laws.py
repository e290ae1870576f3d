"""Modules and their records name each other, whatever the names are made of."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.archive.layout import problem_with_name
from hermpkg_build.core.module_names import (
    folder_of_module,
    is_dotted_identifier,
    is_module_name,
    module_of_record,
    parent_of,
    parents_of,
    record_of_module,
    top_of,
)

_ODD = st.sampled_from(["__init__", "my-pkg", "1st", "the mod", "größe", "class", "py", "_mock", "a:b", "~"])
_PART = st.one_of(_ODD, st.text(min_size=1, max_size=6)).filter(is_module_name).filter(lambda p: "." not in p)
_NAME = st.lists(_PART, min_size=1, max_size=4).map(".".join)
_PIECES = st.sampled_from(["a", "my-pkg", "__init__", ".py", ".pyc", ".data", "/", ".", " ", "\n", "\\"])
_RECORD = st.one_of(st.text(max_size=12), st.lists(_PIECES, max_size=7).map("".join))


@given(_NAME, st.booleans())
def test_the_record_of_a_module_names_the_module(name: str, is_package: bool) -> None:
    record = record_of_module(name, is_package)
    if name.endswith(".__init__") and not is_package:
        assert module_of_record(record) == (parent_of(name), True)
    else:
        assert module_of_record(record) == (name, is_package)


@given(_RECORD)
def test_the_module_of_a_record_has_that_record(record: str) -> None:
    module = module_of_record(record)
    if module is not None:
        assert record_of_module(*module) == record
        assert is_module_name(module[0])


@given(_NAME, st.booleans())
def test_every_module_name_has_a_record_that_an_archive_can_hold(name: str, is_package: bool) -> None:
    if not any(0xD800 <= ord(letter) < 0xE000 for letter in name):  # Undecodable bytes of a file's name.
        assert problem_with_name(record_of_module(name, is_package)) == ""


@given(_NAME, st.booleans())
def test_a_record_lies_in_the_folder_of_its_module(name: str, is_package: bool) -> None:
    assert record_of_module(name, is_package).rpartition("/")[0] == folder_of_module(name, is_package)


@given(_NAME)
def test_parents_end_at_the_top(name: str) -> None:
    chain = [name, *parents_of(name)]
    assert chain[-1] == top_of(name)
    assert all(parent_of(below) == above for below, above in pairwise(chain))
    assert all(is_module_name(above) for above in chain)


@given(st.text(max_size=12))
def test_what_an_import_statement_can_name_is_a_module_name(text: str) -> None:
    assert is_module_name(text) or not is_dotted_identifier(text)
