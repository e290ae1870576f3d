"""Files of joblib are read whole, and both ways: as joblib reads them, and as a plain unpickler does."""

from __future__ import annotations

import gzip
import os
from typing import Any

import numpy
import pytest

from hermpkg_build.scanning.artifact import scan_data
from hermpkg_build.scanning.findings import Findings, Kind, Level
from hermpkg_build.scanning.pickle_calls import contents_of_pickle
from tests.unit.scanning.joblib_files import joblib_file
from tests.unit.scanning.tricks import SIMPLE


class Evil:
    def __reduce__(self) -> Any:
        return os.system, ("echo scanned",)


ARRAYS = {
    "numbers": numpy.arange(300.0),
    "turned": numpy.ones((3, 4), dtype="f4").T,
    "texts": numpy.array(["x", "yé"]),
    "bytes": numpy.array([b"ab"]),
    "fields": numpy.array([(1, 2.0)], dtype=[("x", "i4"), ("y", "f8")]),
    "none": numpy.zeros((0, 3)),
    "complex": numpy.array([1 + 2j]),
    "times": numpy.array(["2020-01-01"], dtype="M8[D]"),
    "truths": numpy.array([True, False]),
}


def scan(data: bytes) -> Findings:
    return scan_data(data, "model.joblib")


def calls(data: bytes) -> set[str]:
    return {use.full_name for use in contents_of_pickle(data).uses}


@pytest.mark.parametrize("alignment", [None, 16])
@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_between_opcodes_are_passed_over(name: str, alignment: int | None) -> None:
    data = joblib_file({"a": ARRAYS[name], "b": [ARRAYS[name], 3]}, alignment)
    assert scan(data).at_least(Level.UNKNOWN) == ()
    assert scan_data(gzip.compress(data), "model.joblib.gz").at_least(Level.UNKNOWN) == ()


def test_what_stands_behind_an_array_is_found() -> None:
    assert scan(joblib_file([numpy.arange(300.0), Evil()])).worst is Level.DANGEROUS


@pytest.mark.parametrize(
    "array",
    [
        numpy.array([Evil()], dtype=object),
        numpy.array([(1, Evil())], dtype=[("x", "i4"), ("y", "O")]),
    ],
)
def test_objects_of_arrays_are_pickles_of_their_own(array: Any) -> None:
    data = joblib_file([numpy.arange(300.0), array, numpy.arange(3)])
    assert calls(data) >= {"posix.system"}
    assert scan(data).worst is Level.DANGEROUS


def test_objects_behind_numbers_are_read_and_clean() -> None:
    data = joblib_file([numpy.arange(300.0), numpy.array([{"x": 1}, None], dtype=object), numpy.arange(3)])
    assert scan(data).at_least(Level.UNKNOWN) == ()


def test_bytes_of_an_array_that_a_plain_unpickler_would_run_are_told() -> None:
    """joblib passes over them; whoever loads the file with pickle runs them."""
    data = joblib_file([numpy.frombuffer(SIMPLE, dtype="u1"), 3], alignment=None)
    assert scan(data).worst is Level.DANGEROUS


@pytest.mark.parametrize("cut", [1, 100, 2000])
def test_what_is_cut_off_is_never_clean(cut: int) -> None:
    data = joblib_file([numpy.arange(300.0)])[:-cut]
    assert Kind.UNREADABLE in {each.kind for each in scan(data).findings}


def test_a_shape_that_no_file_holds_is_never_clean() -> None:
    data = joblib_file([numpy.arange(3)])
    place = data.index(b"K\x03")
    longer = data[:place] + b"J\xff\xff\xff\x7f" + data[place + 2 :]
    assert Kind.UNREADABLE in {each.kind for each in scan(longer).findings}
