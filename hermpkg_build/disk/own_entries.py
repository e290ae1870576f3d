"""Tells entries of a search path that are a workspace's own code from folders with installed things."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

from hermpkg_build.disk.standard_library import standard_library

SITE_FOLDERS = ("site-packages", "dist-packages")
_METADATA = ".dist-info"
_ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")


def _names_in(folder: str) -> Iterable[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return ()


def is_own_entry(
    entry: str, workspace_root: str, names_in: Callable[[str], Iterable[str]] = _names_in
) -> bool:
    """Whether `entry`, a folder on a search path, holds code of the workspace at `workspace_root`.

    An editable install and PYTHONPATH put such folders there. Not its code are, though they lie inside, the
    standard library, all of a Python environment that lives there, and folders that distributions are
    installed in (``pip install --target``). `names_in` lists a folder.
    """
    root = os.path.join(os.path.realpath(workspace_root), "")
    folder = os.path.realpath(entry)
    if not os.path.join(folder, "").startswith(root) or has_installed_things(entry, names_in):
        return False
    return not _is_in_environment(folder, root)


def has_installed_things(entry: str, names_in: Callable[[str], Iterable[str]] = _names_in) -> bool:
    """Whether `entry`, a folder on a search path, is no tree of sources, in which people work."""
    return (
        entry in standard_library()
        or any(part in SITE_FOLDERS for part in entry.split(os.sep))
        or any(name.endswith(_METADATA) for name in names_in(entry))
    )


def _is_in_environment(folder: str, root: str) -> bool:
    """Whether a folder lies in a Python environment below `root`, as ``.venv/src/lib`` does."""
    while os.path.join(folder, "").startswith(root) and os.path.join(folder, "") != root:
        if any(os.path.exists(os.path.join(folder, mark)) for mark in _ENVIRONMENT_MARKS):
            return True
        folder = os.path.dirname(folder)
    return False
