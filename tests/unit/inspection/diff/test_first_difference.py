"""Buffers compared piece by piece, wherever they differ and however long they are."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.archive import pieces as pieces_module
from hermpkg_build.archive.pieces import PIECE
from hermpkg_build.inspection.diff import first_difference as own_module
from hermpkg_build.inspection.diff.first_difference import first_difference, first_difference_of_pieces


@pytest.mark.parametrize("place", [0, 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE - 1])
def test_the_first_byte_that_differs(place):
    a = bytearray(3 * PIECE)
    b = bytearray(a)
    b[place] = b[-1] = 1
    assert first_difference(memoryview(a), memoryview(b)) == place


def test_lengths_differ():
    assert first_difference(memoryview(b"abc"), memoryview(b"abcd")) == 3
    assert first_difference(memoryview(b""), memoryview(b"x")) == 0
    assert first_difference(memoryview(b""), memoryview(b"")) is None


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of memory is not known here")
def test_large_files_do_not_fill_memory(tmp_path):
    """Two files of 512 MiB, compared to their last byte by a process that may hold a fraction of one."""
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        with path.open("wb") as file:
            file.truncate(512 << 20)
    program = """
        import mmap, re, sys
        from hermpkg_build.inspection.diff.first_difference import first_difference

        views = []
        for path in sys.argv[1:]:
            with open(path, "rb") as file:
                views.append(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))
        assert first_difference(*views) is None
        # Not getrusage: a child inherits its parent's figure there.
        print(int(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1]) * 1024)
    """
    words = [sys.executable, "-c", textwrap.dedent(program), *map(str, paths)]
    used = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert used < 300 << 20


@given(
    data=st.binary(max_size=50), at=st.integers(0, 60), piece=st.integers(1, 9), change=st.binary(max_size=2)
)
def test_the_first_difference_is_found(data: bytes, at: int, piece: int, change: bytes) -> None:
    other = data[:at] + change + data[at + 1 :]
    expected = next(
        (i for i in range(max(len(data), len(other))) if data[i : i + 1] != other[i : i + 1]), None
    )
    with pytest.MonkeyPatch.context() as patch:
        for module in (pieces_module, own_module):
            patch.setattr(module, "PIECE", piece)
        assert first_difference(memoryview(data), memoryview(other)) == expected
        cut = [[memoryview(d)[i : i + piece] for i in range(0, len(d), piece)] for d in (data, other)]
        assert first_difference_of_pieces(*cut) == expected
