"""Keeps what packages leave in the cache within limits: what was not used for longest is removed first."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress

from hermpkg_build.core.quantities import read_size
from hermpkg_build.core.texts import size_text
from hermpkg_build.disk.cache_directory import DAY_S
from hermpkg_build.disk.replacing import ASIDE, discard_folder
from hermpkg_build.disk.trust import check_private_folder
from hermpkg_build.errors import LocalEnvironmentError

VARIABLE = "HERMPKG_UNPACKED_LIMIT"
UNPACKED_LIMIT = 4 * 10**9
"""Bytes of files that packages have unpacked, unless `VARIABLE` says otherwise."""

CODE_LIMIT = 250 * 10**6
"""Bytes of compiled code."""

_PART_LEFT = 0.75
"""The part of a limit that is left when it is exceeded, so that not every new entry removes an old one."""


def unpacked_limit() -> int:
    """Return how many bytes of unpacked files are kept. Raises LocalEnvironmentError for another text."""
    text = os.environ.get(VARIABLE)
    if not text:
        return UNPACKED_LIMIT
    try:
        return read_size(text)
    except ValueError as error:
        raise LocalEnvironmentError(
            f"{VARIABLE} needs {error}, not {text!r}",
            next_step=f"without it the limit is {size_text(UNPACKED_LIMIT)}",
        ) from None


def prune_unpacked(place: str, limit: int) -> None:
    """Remove folders in `place` until what is left has at most `limit` bytes; those that are held stay.

    Who uses a folder holds a lock on it, and its time says when somebody began to. Raises OSError where
    `place` cannot be listed, or is not the user's own.
    """
    check_private_folder(place)
    with os.scandir(place) as entries:
        folders = [
            entry.path
            for entry in entries
            if entry.is_dir(follow_symlinks=False) and not entry.name.startswith(ASIDE)
        ]
    found = []
    for folder in folders:
        with suppress(OSError):
            used = os.lstat(folder).st_mtime_ns
            found.append((used, sum(status.st_size for _, status in _files_below(folder)), folder))
    _remove(found, limit, discard_folder)


def prune_code(folder: str, limit: int = CODE_LIMIT, *, now: bool = False) -> None:
    """Remove compiled code in the folders in `folder` until at most `limit` bytes are left.

    That is done once a day, which the time of `folder` says, or `now`. A process that misses an entry
    compiles the source again. Raises OSError where `folder` cannot be listed, or is not the user's own.
    """
    check_private_folder(folder)
    if not now and abs(time.time() - os.stat(folder).st_mtime) < DAY_S:
        return
    os.utime(folder)
    _remove(
        ((status.st_mtime_ns, status.st_size, path) for path, status in _files_below(folder)),
        limit,
        _unlink,
    )


def _remove(found: Iterable[tuple[int, int, str]], limit: int, remove: Callable[[str], bool]) -> None:
    """Remove the oldest of entries (time, bytes, path) where all of them have more than `limit` bytes."""
    entries = sorted(found)
    total = sum(size for _, size, _ in entries)
    if total <= limit:
        return
    for _, size, path in entries:
        if total <= limit * _PART_LEFT:
            return
        if remove(path):
            total -= size


def _unlink(path: str) -> bool:
    try:
        os.unlink(path)
    except OSError:
        return False
    return True


def _files_below(folder: str) -> Iterator[tuple[str, os.stat_result]]:
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            with suppress(OSError):
                yield path, os.lstat(path)
