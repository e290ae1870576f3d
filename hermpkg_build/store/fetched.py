"""Where artifacts are kept that programs fetch whole for themselves: a folder for each, by its digest."""

from __future__ import annotations

import os

FETCHED = "fetched artifacts"
"""What people are told that these folders are."""


def fetched_place(directory: str) -> str:
    """Return the folder of all of them in a cache folder."""
    return os.path.join(directory, "fetched")
