"""Paths come out as the standard library has them."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from hermpkg_build.disk.normal_paths import absolute_path, folder_path

paths = st.lists(st.sampled_from(["/", ".", "..", "a", ".b", "c.", "...", "é"])).map("".join)


@given(paths)
def test_absolute_paths(path: str) -> None:
    assert absolute_path(path) == os.path.abspath(path)


@given(paths)
def test_folders(path: str) -> None:
    assert folder_path(path) == os.path.normpath(path)
