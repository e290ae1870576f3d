"""Buffers read in pieces are the whole."""

from __future__ import annotations

from hermpkg_build.inspection.diff.pieces import pieces


def test_pieces_are_the_whole():
    data = bytes(range(256)) * 10_000
    assert b"".join(pieces(memoryview(data))) == data
