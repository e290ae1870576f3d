"""The bytes of the lock file, which only builds write."""

from __future__ import annotations

from hermpkg_build.core.canonical_json import pretty
from hermpkg_build.core.json_codec import to_json
from hermpkg_build.core.lock import Lock


def lock_bytes(lock: Lock) -> bytes:
    """Return the bytes that `Lock.from_bytes` reads: sorted, a fact a line, and nothing of when or where."""
    return pretty(to_json(lock))
