"""Where the cache lies: the folder that a user chooses, or the platform's own."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping


def default_cache_directory(environ: Mapping[str, str], *, platform: str = sys.platform) -> str:
    """The absolute path of the cache folder where the command line names none.

    ``HERMPKG_CACHE_DIR``, else ``XDG_CACHE_HOME/hermpkg`` (ignored where it is relative, as the
    XDG specification demands), else the platform's own folder for caches.
    """
    chosen = environ.get("HERMPKG_CACHE_DIR")
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    xdg = environ.get("XDG_CACHE_HOME", "")
    if os.path.isabs(xdg):
        return os.path.join(xdg, "hermpkg")
    home = environ.get("HOME") or os.path.expanduser("~")
    folder = "Library/Caches" if platform == "darwin" else ".cache"
    return os.path.abspath(os.path.join(home, folder, "hermpkg"))
