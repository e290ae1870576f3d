"""Elements of tensors: counted, located and measured alike with numpy and without."""

import math
import random
import struct
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.inspection.diff.elements import ElementDifferences, compare_elements
from hermpkg_build.pickles.reading.tensors import ELEMENT_SIZES


def floats(*values):
    return memoryview(struct.pack(f"<{len(values)}f", *values))


def without_numpy(monkeypatch):
    monkeypatch.setitem(sys.modules, "numpy", None)


@pytest.fixture(params=["numpy", "plain"])
def either(request, monkeypatch):
    """Both ways of computing."""
    if request.param == "plain":
        without_numpy(monkeypatch)


def test_counts_places_and_measures(either):
    found = compare_elements(floats(1, 2, 3, 4), floats(1, 2.5, 3, 1), "float32")
    assert found == ElementDifferences(count=2, total=4, first=1, largest=3.0)


def test_equal(either):
    assert compare_elements(floats(1, 2), floats(1, 2), "float32") == ElementDifferences(count=0, total=2)


def test_bits_count_where_values_do_not(either):
    found = compare_elements(floats(0.0, math.nan), floats(-0.0, math.nan), "float32")
    assert found == ElementDifferences(count=1, total=2, first=0, largest=0.0)


def test_no_number_for_nan_and_infinity(either):
    assert compare_elements(floats(math.nan), floats(1), "float32").largest is None
    found = compare_elements(floats(math.inf, 1), floats(1, 3), "float32")
    assert (found.count, found.largest, found.unending) == (2, 2.0, 1)


def test_large_integers_are_exact(either):
    a, b = (memoryview(struct.pack("<q", value)) for value in (-(2**63), 2**63 - 1))
    assert compare_elements(a, b, "int64").largest == float(2**64 - 1)


def test_unknown_types_are_counted_only(either):
    found = compare_elements(memoryview(b"abcdef"), memoryview(b"abxdyf"), "Float8_e4m3fn", size=2)
    assert found == ElementDifferences(count=2, total=3, first=1, largest=None, unending=2)


def test_a_difference_in_a_later_piece(either):
    a = bytearray(5 << 20)
    b = bytearray(a)
    b[4 * 1_000_000 : 4 * 1_000_000 + 4] = struct.pack("<f", 0.25)
    found = compare_elements(memoryview(a), memoryview(b), "float32")
    assert found == ElementDifferences(count=1, total=5 << 18, first=1_000_000, largest=0.25)


def test_bfloat16(either):
    a, b = (memoryview(struct.pack("<f", value)[2:]) for value in (1.0, 1.5))
    assert compare_elements(a, b, "bfloat16").largest == 0.5


def test_lengths_must_agree():
    with pytest.raises(ValueError, match="cannot be compared"):
        compare_elements(floats(1), floats(1, 2), "float32")


@given(st.sampled_from(sorted(ELEMENT_SIZES)), st.integers(0, 2**32), st.integers(1, 40))
def test_numpy_changes_nothing(dtype, seed, count):
    generator = random.Random(seed)
    size = ELEMENT_SIZES[dtype]
    a = bytearray(generator.randbytes(size * count))
    b = bytearray(a)
    for _ in range(generator.randrange(4)):
        b[generator.randrange(len(b))] ^= 1 << generator.randrange(8)
    with pytest.MonkeyPatch.context() as monkeypatch:
        quick = compare_elements(memoryview(a), memoryview(b), dtype)
        without_numpy(monkeypatch)
        plain = compare_elements(memoryview(a), memoryview(b), dtype)
    assert (quick.count, quick.total, quick.first) == (plain.count, plain.total, plain.first)
    assert (quick.largest is None) == (plain.largest is None)
    if quick.largest is not None:
        assert math.isclose(quick.largest, plain.largest, rel_tol=1e-12)
