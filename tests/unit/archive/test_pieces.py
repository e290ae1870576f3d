"""Buffers compared piece by piece, wherever they differ and however long they are."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import pytest

from hermpkg_build.archive.pieces import PIECE, first_difference, pieces


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


def test_pieces_are_the_whole():
    data = bytes(range(256)) * 10_000
    assert b"".join(pieces(memoryview(data))) == data


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="the peak of memory is not known here")
def test_large_files_do_not_fill_memory(tmp_path):
    """Two files of 512 MiB, compared to their last byte by a process that may hold a fraction of one."""
    paths = [tmp_path / "a", tmp_path / "b"]
    for path in paths:
        with path.open("wb") as file:
            file.truncate(512 << 20)
    program = """
        import mmap, re, sys
        from hermpkg_build.archive.pieces import first_difference

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
