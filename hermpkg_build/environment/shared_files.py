"""Lets environments share their large files by hard links, where the installer does not."""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from hermpkg_build.disk.replacing import aside_path
from hermpkg_build.disk.unchanged_files import hash_file

_LEAST_BYTES = 64 << 10


def share_files(folder: str, pool: str) -> None:
    """Replace large files below `folder` by links to equal ones in `pool`, or put them there.

    Installers replace files and never write into them. Where the file system has no links, nothing changes.
    """
    os.makedirs(pool, mode=0o700, exist_ok=True)
    for here, _, names in os.walk(folder):
        for name in names:
            path = os.path.join(here, name)
            with suppress(OSError):
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode) and status.st_size >= _LEAST_BYTES and status.st_nlink == 1:
                    _share(path, status.st_mode, pool)


def _share(path: str, mode: int, pool: str) -> None:
    digest = hash_file(path)[0]
    # Links have one mode: whether it is a program is part of the name.
    pooled = os.path.join(pool, f"{digest.hash}{'-x' if mode & stat.S_IXUSR else ''}")
    try:
        os.link(path, pooled)
    except FileExistsError:
        if hash_file(pooled)[0] != digest:  # A program has written into it.
            os.unlink(pooled)
            os.link(path, pooled)
            return
        aside = aside_path(os.path.dirname(path))
        os.link(pooled, aside)
        os.replace(aside, path)
