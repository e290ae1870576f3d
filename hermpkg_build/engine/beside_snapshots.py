"""Files that are kept beside a snapshot, which has their hashes. Start-up imports this after edits."""

from __future__ import annotations

import hashlib

from hermpkg_build.disk.files import read_limited

_LARGEST = 1 << 30
"""Bytes of what is kept of many targets that rest on many files."""


def beside(path: str, what: str) -> str:
    """Return where `what` lies that belongs to the snapshot at `path`."""
    return f"{path.removesuffix('.snapshot')}.{what}"


def read_beside(path: str, what: str, sha256: str) -> bytes:
    """Read what lies beside a snapshot. Raises OSError, and ValueError where it was not kept with it."""
    data = read_limited(beside(path, what), _LARGEST)
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ValueError("not what was kept with the snapshot")
    return data
