"""A hash that goes on from a midstate gives what hashing everything gives, or there are no midstates."""

from __future__ import annotations

import _hashlib
import ctypes
import hashlib
import os
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.disk import midstates
from hermpkg_build.disk.midstates import STRIDE, last_before, midstates_of, remembering_hash

pytestmark = pytest.mark.skipif(
    remembering_hash() is None, reason="this Python does not call a library that has midstates"
)
BYTES = os.urandom(3 * STRIDE + 100)
offsets = st.integers(0, len(BYTES)) | st.sampled_from(range(0, 3 * STRIDE, STRIDE // 2))


@pytest.fixture
def _unknown() -> Iterator[None]:
    midstates._library.cache_clear()
    yield
    midstates._library.cache_clear()


@given(st.lists(offsets, max_size=5), st.booleans())
def test_digests_are_those_of_everything(cuts: list[int], writable: bool) -> None:
    data = memoryview(bytearray(BYTES) if writable else BYTES)
    hash_ = remembering_hash()
    assert hash_ is not None
    ends = [*sorted(cuts), len(data)]
    for start, end in zip([0, *ends], ends, strict=False):
        hash_.update(data[start:end])
        assert hash_.hexdigest() == hashlib.sha256(data[:end]).hexdigest()
    assert [offset for offset, _ in hash_.midstates] == [STRIDE, 2 * STRIDE, 3 * STRIDE]
    for midstate in hash_.midstates:
        again = remembering_hash(midstate)
        assert again is not None
        copy = again.copy()
        again.update(data[midstate[0] :])
        assert again.hexdigest() == hash_.hexdigest()
        assert midstates_of(again) == tuple(each for each in hash_.midstates if each >= midstate)
        assert copy.hexdigest() == hashlib.sha256(data[: midstate[0]]).hexdigest()


def test_more_bits_than_a_word_counts() -> None:
    zeros, hash_, usual = bytes(STRIDE), remembering_hash(), hashlib.sha256()
    assert hash_ is not None
    for _ in range(513):
        hash_.update(zeros)
        usual.update(zeros)
    again = remembering_hash(hash_.midstates[-1])
    assert again is not None
    again.update(b"end")
    usual.update(b"end")
    assert again.hexdigest() == usual.hexdigest()
    assert len(hash_.midstates) == 64


def test_the_last_one_before_a_place() -> None:
    found = [(STRIDE, b"a"), (2 * STRIDE, b"b")]
    assert [last_before(found, offset) for offset in (0, STRIDE, 2 * STRIDE - 1, 3 * STRIDE)] == [
        None,
        found[0],
        found[0],
        found[1],
    ]


class _Silent:
    """A library that does nothing."""

    def __init__(self, *_: object) -> None:
        self.SHA256_Init = self.SHA256_Update = self.SHA256_Final = lambda *_: 1


class _Shifted:
    """The library, which keeps what it knows elsewhere than is believed."""

    def __init__(self, path: str) -> None:
        library = REAL(path)
        self.SHA256_Init = lambda context: library.SHA256_Init(ctypes.byref(context, 64))
        self.SHA256_Update = lambda context, *data: library.SHA256_Update(ctypes.byref(context, 64), *data)
        self.SHA256_Final = lambda to, context: library.SHA256_Final(to, ctypes.byref(context, 64))


REAL = ctypes.CDLL


@pytest.mark.usefixtures("_unknown")
@pytest.mark.parametrize("library", [_Silent, _Shifted])
def test_a_library_that_gives_other_digests_is_not_used(
    monkeypatch: pytest.MonkeyPatch, library: type
) -> None:
    monkeypatch.setattr(ctypes, "CDLL", library)
    assert remembering_hash() is None


@pytest.mark.usefixtures("_unknown")
def test_where_no_library_is_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(_hashlib, "__file__")
    assert remembering_hash() is None


@pytest.mark.usefixtures("_unknown")
def test_a_library_that_was_told_to_be_strict_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_hashlib, "get_fips_mode", lambda: 1)
    assert remembering_hash() is None
