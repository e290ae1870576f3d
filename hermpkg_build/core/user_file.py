"""Where the user's own settings lie. Start-up imports this file, so that it imports next to nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping

VARIABLE = "HERMPKG_CONFIG"

WARM_VARIABLE = "HERMPKG_WARM_PROCESS"
"""The variable that says whether a warm process is kept, before any settings."""


def user_settings_path(environ: Mapping[str, str]) -> str:
    """Return the absolute path of the file, which need not be there.

    That is ``HERMPKG_CONFIG``, else ``hermpkg/config.toml`` in ``XDG_CONFIG_HOME``, else in ``~/.config``.
    """
    chosen = environ.get(VARIABLE)
    if chosen:
        return os.path.abspath(os.path.expanduser(chosen))
    return os.path.join(user_folder(environ), "config.toml")


def user_folder(environ: Mapping[str, str]) -> str:
    """Return the absolute path of ``hermpkg`` in ``XDG_CONFIG_HOME``, else in ``~/.config``."""
    xdg = environ.get("XDG_CONFIG_HOME", "")
    folder = xdg if os.path.isabs(xdg) else os.path.join(environ.get("HOME") or "/nonexistent", ".config")
    return os.path.join(os.path.abspath(folder), "hermpkg")
