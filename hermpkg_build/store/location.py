"""Where the cache lies: the folder a user chooses or the platform's own, and its marker file."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping

FORMAT_FOLDER = "v1"
"""The folder of this cache format; a later version that changes the layout takes another."""

TAG_NAME = "CACHEDIR.TAG"
TAG = (
    b"Signature: 8a477f597d28d172789f06886806bc55\n"
    b"# This folder is a cache of hermpkg and can be deleted at any time.\n"
    b"# The first line tells backup programs so: https://bford.info/cachedir/\n"
)


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
