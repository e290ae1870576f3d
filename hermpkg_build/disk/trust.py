"""Tells whom files belong to: what another user of the machine can change is not to decide what a build does.

Folders that the user names in ``HERMPKG_TRUST``, separated as in ``PATH``, are trusted all the same. Names
that end with ``.toml`` are policies, which say what artifacts are accepted (`hermpkg_build.trust`).

On Windows owners and rights are not in what Python tells of a file. There the lists of the system decide,
which give the folders of a user's profile, where caches and temporary files are, to that user alone.
"""

from __future__ import annotations

import os
import stat
import sys

VARIABLE = "HERMPKG_TRUST"
POLICY_SUFFIX = ".toml"
"""How names of policies end; all others are folders."""

_POLICIES = "hermpkg_build.trust.policy_file"


def is_trusted(path: str) -> bool:
    """Whether `path` is, or lies below, a folder that the user has named as trusted."""
    real = os.path.realpath(path)
    entries = os.environ.get(VARIABLE, "").split(os.pathsep)
    named = [entry for entry in entries if os.path.isabs(entry) and not entry.endswith(POLICY_SUFFIX)]
    return any(is_within(real, os.path.realpath(folder)) for folder in named)


def may_have_policies() -> bool:
    """Whether this process could have policies: the variable is set, or was when they were last asked for."""
    return bool(os.environ.get(VARIABLE)) or _POLICIES in sys.modules


def is_within(path: str, folder: str) -> bool:
    """Whether `path` is `folder` or lies below it; both are absolute and normal."""
    return path == folder or path.startswith(os.path.join(folder, ""))


def is_own(status: os.stat_result) -> bool:
    """Whether a file belongs to this user, to who became it by sudo, or to the superuser."""
    if sys.platform == "win32":
        return True
    user = os.geteuid()
    return status.st_uid in (0, user) or (user == 0 and str(status.st_uid) == os.environ.get("SUDO_UID"))


def owner_of(status: os.stat_result) -> str:
    """Name the owner of a file."""
    if sys.platform == "win32":
        return "somebody"
    import pwd

    try:
        return f"{pwd.getpwuid(status.st_uid).pw_name} (user {status.st_uid})"
    except KeyError:
        return f"user {status.st_uid}"


def stranger_in(folder: str) -> str:
    """Say how others could exchange what lies in `folder`: it, or one above it, is theirs; "" if they cannot.

    The group of a folder is trusted as its owner is. What does not exist yet is passed over.
    """
    if sys.platform == "win32":
        return ""
    path = last = os.path.realpath(folder)
    while True:
        try:
            status = os.stat(path)
        except OSError:
            status = None
        if status is not None:
            if not is_own(status) and not (path != last and _is_unmapped(status)):
                return f"{path} belongs to {owner_of(status)}"
            # In a folder with the sticky bit, such as /tmp, entries are exchanged by their owners alone.
            if is_open_to_all(status) and not (path != last and status.st_mode & stat.S_ISVTX):
                return f"everyone can write to {path}"
        if path == os.path.dirname(path):
            return ""
        path = os.path.dirname(path)


def is_open_to_all(status: os.stat_result) -> bool:
    """Whether every user of the machine can write to a file or folder, by its status."""
    return sys.platform != "win32" and bool(status.st_mode & stat.S_IWOTH)


def check_private_folder(folder: str) -> None:
    """Raise PermissionError for a folder, or a link, in which another user could exchange files."""
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or not is_private(status):
        raise PermissionError(1, "others can write to it", folder)


def is_private(status: os.stat_result) -> bool:
    """Whether only this user and the superuser can write to a file or folder, by its status."""
    if sys.platform == "win32":
        return True
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)


def _is_unmapped(status: os.stat_result) -> bool:
    """Whether a file's owner has no name in this container, where all such owners look like one."""
    try:
        with open("/proc/sys/kernel/overflowuid") as file:
            overflow = int(file.read())
        with open("/proc/self/uid_map") as file:
            mapped = sum(int(line.split()[2]) for line in file)
    except (OSError, ValueError):
        return False
    return status.st_uid == overflow and mapped <= overflow
