"""Tells files from labels among the words of commands that take both."""

from __future__ import annotations

import os


def is_file(word: str) -> bool:
    """Whether `word` names a file rather than a label or a target pattern.

    No label ends in ``.pt`` or ``.zip``: such a word is a file, so that a mistyped one is reported as one.
    """
    if word.startswith(("//", ":", "@", "-")):
        return False
    return os.path.isfile(word) or word.endswith((".pt", ".zip"))
