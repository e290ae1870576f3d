"""Paths without `.`, `..` and doubled slashes: quick for those that have none, as nearly all paths do."""

from __future__ import annotations

import os

_HAS_SLASHES = os.sep == "/"
_ENDS = ("/", "/.", "/..")


def absolute_path(path: str) -> str:
    """Return what `os.path.abspath` does, many times as fast where that is the path itself.

    >>> absolute_path("/a/.b/c"), absolute_path("/a/./b/../c/")
    ('/a/.b/c', '/a/c')
    """
    return path if path[:1] == "/" and _is_normal(path) else os.path.abspath(path)


def folder_path(path: str) -> str:
    """Return what `os.path.normpath` does, many times as fast where that takes away a slash at the end.

    >>> folder_path("/a/.b/"), folder_path("/a//b/")
    ('/a/.b', '/a/b')
    """
    folder = path[:-1] if path[-1:] == "/" else path
    return folder if folder[:1] == "/" and _is_normal(folder) else os.path.normpath(path)


def _is_normal(path: str) -> bool:
    return (
        _HAS_SLASHES
        and "//" not in path
        and "/./" not in path
        and "/../" not in path
        and not path.endswith(_ENDS)
    )
