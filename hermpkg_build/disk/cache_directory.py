"""Finds the cache folder, the user's choice or the platform's own, and notes which files in it are used."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress

from hermpkg_build.disk.trust import is_trusted, stranger_in

DAY_S = 24 * 3600.0

_NOWHERE = "/nonexistent"
"""A folder that nobody can write to: with it, a build runs without a cache."""


def default_cache_directory(environ: Mapping[str, str], *, platform: str = sys.platform) -> str:
    """Return the absolute path of the cache folder, for a command line that names none.

    That is ``HERMPKG_CACHE_DIR``, else ``XDG_CACHE_HOME/hermpkg`` (a relative one is ignored, as the XDG
    specification demands), else the platform's folder for caches: ``~/.cache/hermpkg`` on Linux,
    ``~/Library/Caches/hermpkg`` on macOS, ``hermpkg/Cache`` in ``LOCALAPPDATA`` on Windows. A user without a
    home gets a folder that nobody can write to.

    ``HOME`` may be another user's, as where a container runs as root in the home of the one who started it.
    What others can exchange is not used; there the home counts that the system knows of this user.
    """
    chosen = environ.get("HERMPKG_CACHE_DIR")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    xdg = environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):
        return os.path.join(xdg, "hermpkg")
    if platform == "win32":
        local = environ.get("LOCALAPPDATA") or os.path.join(os.path.expanduser("~"), "AppData", "Local")
        return os.path.abspath(os.path.join(local, "hermpkg", "Cache"))
    home = environ.get("HOME") or os.path.expanduser("~")
    if stranger_in(home) and not is_trusted(home):
        home = _home_of_user() or home
    folder = "Library/Caches" if platform == "darwin" else ".cache"
    # A user that the system does not know, as in some containers, has no home, and "~" stays as it is.
    return os.path.abspath(os.path.join(home if home != "~" else _NOWHERE, folder, "hermpkg"))


def _home_of_user() -> str:
    """Return the home that the system knows of this user; "" where there is none, or others can change it."""
    if sys.platform == "win32":
        return ""
    import pwd

    try:
        home = pwd.getpwuid(os.geteuid()).pw_dir
    except KeyError:
        return ""
    return home if os.path.isdir(home) and not stranger_in(home) else ""


def mark_used(descriptor: int, status: os.stat_result) -> None:
    """Note an open file as used, by its time, once a day at most: reading thousands writes nothing."""
    # Windows takes no descriptor.
    if abs(time.time() - status.st_mtime) > DAY_S and os.utime in os.supports_fd:
        with suppress(OSError):
            os.utime(descriptor)
