"""Stat signatures, which tell without reading a file that it is still the one that was read.

The check that nothing changed imports this module and nothing else of the store, so it needs only
modules that the interpreter has loaded already.
"""

from __future__ import annotations

import os

FileSignature = tuple[int, int, int, int, int]
"""Size in bytes, mtime and ctime in nanoseconds, inode, device; for a symbolic link, those of its target."""

SETTLING_NS = 2_000_000_000
"""The coarsest clock of a file system in use ticks every two seconds (FAT)."""


def signature_of(status: os.stat_result) -> FileSignature:
    """The signature of a file or folder whose status is `status`."""
    return (status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino, status.st_dev)


def mark_of(status: os.stat_result) -> int:
    """A number for the signature of a file, the same in all processes of one interpreter; 0 for none."""
    return hash(signature_of(status))


def is_settled(signature: FileSignature, now_ns: int) -> bool:
    """Whether a later change is bound to show in the signature.

    `now_ns` is a time (`time.time_ns`) not after the moment the signature was taken. Two writes
    within one tick of the file system's clock leave the same times, so a file that was written
    just before it was read may have been written again since, unseen. Once its times lie further
    back than a tick, any later write gives others.
    """
    latest = now_ns - SETTLING_NS
    return signature[1] <= latest and signature[2] <= latest
