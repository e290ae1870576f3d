"""Where the cache lies: the folder that a user chooses, or the platform's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

_NOWHERE = "/nonexistent"
"""Where nobody can write: what asks for a cache there does without."""


def default_cache_directory(environ: Mapping[str, str], *, platform: str = sys.platform) -> str:
    """The absolute path of the cache folder where the command line names none.

    ``HERMPKG_CACHE_DIR``, else ``XDG_CACHE_HOME/hermpkg`` (ignored where it is relative, as the
    XDG specification demands), else the platform's own folder for caches, which lies where nobody can
    write for a user without a home.
    """
    chosen = environ.get("HERMPKG_CACHE_DIR")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    xdg = environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):
        return os.path.join(xdg, "hermpkg")
    home = environ.get("HOME") or os.path.expanduser("~")
    folder = "Library/Caches" if platform == "darwin" else ".cache"
    # A user that the system does not know, as in some containers, has no home, and "~" stays as it is.
    return os.path.abspath(os.path.join(home if home != "~" else _NOWHERE, folder, "hermpkg"))
