"""The errors of the store, and its log of damage that it can work around."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.printable import one_line

FULL = (errno.ENOSPC, errno.EDQUOT)
"""Errors of a disk, or of a user's share of it, that is full."""


def cannot_write(error: OSError, folder: str) -> LocalEnvironmentError:
    """The error for a cache in `folder` that cannot be written: full, or not allowed."""
    facts = [("folder", folder), ("reason", os.strerror(error.errno) if error.errno else str(error))]
    if error.errno in FULL:
        free = free_space(folder)
        if free is not None:
            facts.append(("free", f"{free:,} bytes"))
        return LocalEnvironmentError(
            "there is no space left to write the cache",
            facts=facts,
            next_step="make room: hermpkg cache gc --max-size 1GB; or take another folder: --cache-dir DIR",
        )
    return LocalEnvironmentError(
        "the cache cannot be written",
        facts=facts,
        next_step="give the folder to this user, or choose another with --cache-dir DIR",
    )


@contextmanager
def cache_errors(folder: str) -> Iterator[None]:
    """A context in which every OSError is the fault of the cache in `folder`."""
    try:
        yield
    except OSError as error:
        raise cannot_write(error, folder) from error


def free_space(folder: str) -> int | None:
    """Bytes that an ordinary user may still write where `folder` lies, None where the system does not say."""
    while not os.path.isdir(folder) and folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
    try:
        status = os.statvfs(folder)
    except OSError:
        return None
    return status.f_bavail * status.f_frsize


def log_corrupt(subject: str, path: str) -> None:
    """Log that something in the cache is damaged; it will be made again."""
    import logging

    logging.getLogger("hermpkg_build.store").info(
        "corrupt %s, treated as absent: %s", subject, one_line(path)
    )
