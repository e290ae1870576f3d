"""Tells files from labels on a command line, and finds the workspace that the labels belong to."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from hermpkg_build.loading.workspace import Workspace


def is_file(word: str) -> bool:
    """Tell whether `word` names a file rather than a label or a target pattern.

    No label ends in ``.pt`` or ``.zip``, and where there is no workspace there are no labels: such a word is
    a file, so that a mistyped one is reported as one.
    """
    if word.startswith(("//", ":", "@", "-")):
        return False
    return os.path.isfile(word) or word.endswith((".pt", ".zip")) or not _has_workspace()


def _has_workspace() -> bool:
    from hermpkg_build.loading.workspace import NoWorkspaceError

    try:
        current_workspace()
    except NoWorkspaceError:
        return False
    return True


def current_workspace() -> Workspace:
    """Find the workspace that the current folder lies in. Raises WorkspaceError."""
    from hermpkg_build.loading.workspace import find_workspace

    return find_workspace(os.getcwd())
