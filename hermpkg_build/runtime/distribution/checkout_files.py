"""The files of a checkout: what .gitignore does not leave out, also where git is not to be had."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

_NOT_SOURCES = {".git", "PKG-INFO"}
"""What no file of the checkout is, at its top: git's own, and what a source distribution is given."""


class UnreadableCheckoutError(Exception):
    """The files of the checkout cannot be told."""


def checkout_files(checkout: Path) -> Iterator[str]:
    """Yield the files, relative to the checkout with ``/``, by name. Raises UnreadableCheckoutError."""
    ignored = _ignored_by((checkout / ".gitignore").read_text(encoding="utf-8"))
    return iter(sorted(_walk(checkout, "", ignored)))


def _walk(folder: Path, prefix: str, ignored: re.Pattern[str]) -> Iterator[str]:
    for entry in os.scandir(folder):
        path = prefix + entry.name
        if path in _NOT_SOURCES or ignored.fullmatch(path):
            continue
        if entry.is_dir(follow_symlinks=False):
            if not (ignored.fullmatch(f"{path}/") or _ignores_itself(folder / entry.name)):
                yield from _walk(folder / entry.name, f"{path}/", ignored)
        elif entry.is_file(follow_symlinks=False):
            yield path
        else:
            raise UnreadableCheckoutError(
                f"{path} is neither a file nor a folder, which source distributions do not carry"
            )


def _ignores_itself(folder: Path) -> bool:
    """Whether a .gitignore in the folder leaves out all of it, as caches of tools do."""
    own = folder / ".gitignore"
    return own.is_file() and "*" in own.read_text(encoding="utf-8").split()


def _ignored_by(text: str) -> re.Pattern[str]:
    """Return what matches the paths that a .gitignore leaves out; those of folders end with ``/``."""
    patterns = []
    for line in text.splitlines():
        words = line.strip()
        if not words or words.startswith("#"):
            continue
        if words.startswith("!") or "\\" in words:
            raise UnreadableCheckoutError(
                f".gitignore: {words}: only patterns without ! and \\ are known here"
            )
        anchored = "/" in words.rstrip("/")
        middle = "".join(_pieces(words.strip("/")))
        end = "/" if words.endswith("/") else "/?"
        patterns.append(("" if anchored else "(?:.*/)?") + middle + end)
    return re.compile("|".join(patterns) or "(?!)", re.DOTALL)


def _pieces(pattern: str) -> Iterator[str]:
    """Translate one pattern of git's to pieces of a regular expression."""
    for piece in re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]+\])", pattern):
        if piece == "**/":
            yield "(?:.*/)?"
        elif piece == "**":
            yield ".*"
        elif piece == "*":
            yield "[^/]*"
        elif piece == "?":
            yield "[^/]"
        elif piece.startswith("[") and piece.endswith("]"):
            yield piece
        else:
            yield re.escape(piece)
