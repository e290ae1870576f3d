"""Tells submodules of git that a checkout lacks, and how they are fetched."""

from __future__ import annotations

import os
import re

from hermpkg_build.disk.files import read_limited
from hermpkg_build.printable import pasteable

_PATH = re.compile(r"^[ \t]*path[ \t]*=[ \t]*(.+?)[ \t\r]*$", re.MULTILINE)


def step_for_submodule(root: str, path: str) -> str:
    """Return how to fetch the submodule that `path`, relative to `root`, lies in; "" where none lacks."""
    try:
        declared = _PATH.findall(read_limited(os.path.join(root, ".gitmodules")).decode())
    except (OSError, UnicodeDecodeError):
        return ""
    for each in declared:
        if f"{path}/".startswith(f"{each}/") and not _has_entries(os.path.join(root, each)):
            command = pasteable("git", "submodule", "update", "--init", each)
            return f"{each} is a submodule of git that is not fetched:\n    {command}"
    return ""


def _has_entries(folder: str) -> bool:
    try:
        with os.scandir(folder) as entries:
            return any(True for _ in entries)
    except OSError:
        return False
