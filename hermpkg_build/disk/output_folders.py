"""Folders that outputs go to, which must not lead elsewhere."""

from __future__ import annotations

import os

from hermpkg_build.disk.trust import VARIABLE, is_trusted
from hermpkg_build.errors import WorkspaceError


def check_no_link(root: str, path: str) -> None:
    """Raise WorkspaceError where a folder for outputs, relative to the workspace `root`, leads elsewhere.

    A link there can have come with a checkout, and lead to any folder of the user's.
    """
    here = root
    for name in path.split("/"):
        here = os.path.join(here, name)
        if os.path.islink(here) and not is_trusted(root):
            raise WorkspaceError(
                "outputs do not go through a symbolic link",
                facts=[("link", here), ("leads to", os.path.realpath(here))],
                next_step=f"remove the link, or where it is yours trust the workspace: {VARIABLE}={root}",
            )
