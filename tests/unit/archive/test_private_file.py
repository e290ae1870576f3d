"""Copies that nobody can write to: what they hold is what was hashed, whatever becomes of the file."""

from __future__ import annotations

import hashlib
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.archive.private_file import copy_to_share
from hermpkg_build.errors import ArchiveError, LocalEnvironmentError


@given(
    st.sampled_from([0, 1, 4095, 4096, 4 << 20, (4 << 20) + 7]),
    st.lists(st.tuples(st.integers(0, 5 << 20), st.integers(0, 1 << 20)), max_size=3),
)
def test_a_copy_has_the_bytes_and_the_digest(tmp_path_factory, size, places):
    path = tmp_path_factory.mktemp("copies") / "é x.pt"
    data = os.urandom(min(size, 4096)) * (size // 4096 + 1)
    path.write_bytes(data[:size])
    copy, digest = copy_to_share(str(path))
    path.write_bytes(b"other")
    try:
        assert bytes(copy.view) == data[:size]
        assert digest == hashlib.sha256(data[:size]).hexdigest()
        assert not copy.was_written_over()
        for start, length in places:
            assert copy.read_at(start, length) == data[:size][start : start + length]
            buffer = bytearray(length)
            copy.read_into(memoryview(buffer), start)
            assert bytes(buffer) == data[:size][start : start + length].ljust(length, b"\0")
    finally:
        copy.close()


def test_what_is_written_to_a_mapping_stays_there(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 3000)
    copy, _ = copy_to_share(str(tmp_path / "a"))
    mapping = copy.private_mapping()
    mapping[:3] = b"XYZ"
    assert bytes(copy.view[:3]) == bytes(copy.private_mapping()[:3]) == b"abc"
    copy.close()
    assert bytes(mapping[:6]) == b"XYZabc"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux seals memory")
def test_nobody_can_write_to_a_copy(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    copy, _ = copy_to_share(str(tmp_path / "a"))
    path = f"/proc/self/fd/{copy._descriptor}"
    for change in (
        lambda: os.write(copy._descriptor, b"x"),
        lambda: os.truncate(path, 1),
        lambda: os.truncate(path, 9),
    ):
        with pytest.raises(PermissionError):
            change()
    assert bytes(copy.view) == b"abc"
    copy.close()


def test_what_cannot_be_copied_is_told(tmp_path, monkeypatch):
    with pytest.raises(ArchiveError):
        copy_to_share(str(tmp_path / "none"))
    (tmp_path / "a").write_bytes(b"abc")

    def refuse(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    before = len(os.listdir("/proc/self/fd")) if os.path.exists("/proc/self/fd") else 0
    with pytest.raises(LocalEnvironmentError, match="no room"):
        copy_to_share(str(tmp_path / "a"))
    assert not before or len(os.listdir("/proc/self/fd")) == before
