"""Checks that no other user could have changed a file, or what lies in a folder."""

from __future__ import annotations

import os
import stat


def check_private_folder(folder: str) -> None:
    """Raise PermissionError for a folder, or a link, in which another user could exchange files."""
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or not is_private(status):
        raise PermissionError(1, "others can write to it", folder)


def is_private(status: os.stat_result) -> bool:
    """Whether only this user and the superuser can write to a file or folder, by its status."""
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
