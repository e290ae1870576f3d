"""Where git keeps which commit is checked out, and its settings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress

HEAD = "HEAD"
INDEX = "index"
"""Which files are tracked, and when they were last looked at: git writes it also where it only looks."""


def git_folder(top: str) -> str:
    """The folder that has the HEAD of what is checked out in `top`, or around it; "" where there is none."""
    while not os.path.exists(marker := os.path.join(top, ".git")):
        if top == os.path.dirname(top):
            return ""
        top = os.path.dirname(top)
    # In a further work tree it is a file.
    return os.path.join(top, _text(marker).removeprefix("gitdir:").strip() or marker)


def paths_beside_head(head: str) -> Iterator[str]:
    """The paths that tell with the file `head` which commit it is, and the settings of the checkout.

    That are the branch, packed or not, tags, and what ``git config`` writes.
    """
    folder = os.path.dirname(head)
    common = os.path.join(folder, _text(os.path.join(folder, "commondir")).strip())
    for name in ("packed-refs", "refs/tags", "config", _text(head).partition("ref:")[2].strip()):
        if name:
            yield os.path.normpath(os.path.join(common, name))


def _text(path: str) -> str:
    with suppress(OSError, ValueError), open(path, encoding="utf-8") as file:
        return file.read()
    return ""
