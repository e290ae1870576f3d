"""Sees that nobody else could have changed what lies in a folder."""

from __future__ import annotations

import os
import stat


def see_that_it_is_ours(folder: str) -> None:
    """Raise PermissionError for a folder, or a link, in which another user could exchange files."""
    status = os.lstat(folder)
    owned = status.st_uid in (0, os.geteuid()) and stat.S_ISDIR(status.st_mode)
    if not owned or status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise PermissionError(1, "others can write to it", folder)
