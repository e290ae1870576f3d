"""The CRC-32 of large buffers and of parts is that of zlib."""

import sys
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.disk import crc32 as crc32_module
from hermpkg_build.disk.crc32 import crc32_of_both, quick_crc32

LARGE = bytes(range(256)) * 300


@given(first=st.binary(), second=st.binary(max_size=9000))
def test_checksums_of_parts_make_that_of_the_whole(first: bytes, second: bytes) -> None:
    assert crc32_of_both(zlib.crc32(first), zlib.crc32(second), len(second)) == zlib.crc32(first + second)


def test_of_one_piece_nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(crc32_module, "_product", None)
    assert crc32_of_both(0, 12345, 1 << 20) == 12345


@given(a=st.integers(0, 0xFFFFFFFF), size=st.integers(0, 1 << 50), more=st.integers(0, 1 << 50))
def test_putting_together_is_associative(a: int, size: int, more: int) -> None:
    """Also for sizes that no test can compute."""
    assert crc32_of_both(crc32_of_both(a, 0, size), 0, more) == crc32_of_both(a, 0, size + more)


@pytest.mark.parametrize("installed", [True, False])
def test_both_implementations_agree(monkeypatch: pytest.MonkeyPatch, installed: bool) -> None:
    if installed:
        pytest.importorskip("zlib_ng")
    else:
        monkeypatch.setitem(sys.modules, "zlib_ng.zlib_ng", None)
    crc32_module._for_large.cache_clear()
    try:
        for data in (LARGE, bytearray(LARGE[:-1]), memoryview(LARGE)[3:], LARGE[:1000], b""):
            for before in (0, 0xFFFFFFFF, 12345):
                assert quick_crc32(data, before) == zlib.crc32(data, before)
        assert (crc32_module._for_large() is zlib.crc32) is not installed
    finally:
        crc32_module._for_large.cache_clear()
