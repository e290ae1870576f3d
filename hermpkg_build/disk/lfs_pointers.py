"""Tells the pointers that Git LFS leaves in a checkout where it has not fetched the files themselves."""

from __future__ import annotations

import re

from hermpkg_build.disk.files import read_limited

_LARGEST = 1023
"""Bytes of a pointer: its specification says that it is shorter than 1,024."""
_POINTER = re.compile(rb"version \S+/spec/v\d+\n(?:[a-z0-9.-]+ [^\n]*\n)*oid sha256:[0-9a-f]{64}\nsize \d+\n")
HOW_TO_FETCH = "fetch what it stands for: git lfs pull"


def is_lfs_pointer(path: str, size: int) -> bool:
    """Whether the file at `path`, of `size` bytes, is such a pointer. Raises OSError."""
    return 0 < size <= _LARGEST and _POINTER.fullmatch(read_limited(path)) is not None
