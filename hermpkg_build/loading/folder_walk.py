"""Walks the folders below a folder, whatever symbolic links are among them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator

_Identity = tuple[int, int]

_MOST_PATHS_AGAIN = 5_000


class LinkedFoldersError(Exception):
    """Links lead to the same folders by more paths than anyone means. Never leaves `loading`."""

    def __init__(self, folder: str) -> None:
        super().__init__(f"links lead to the same folders by thousands of paths, such as {folder[:200]}")


def folders_below(
    top: str, path_of: Callable[[str], str], inner: Callable[[str], Iterable[str]]
) -> Iterator[str]:
    """Give the folder `top` and those below it, each before the ones in it.

    `path_of` makes an absolute path of a folder, and `inner` gives the names in it to go into. A link that
    leads back to a folder on the way is not followed. Raises LinkedFoldersError where folders that were given
    by one path come again by thousands of others: n folders that link to one another have more than n! paths.
    """
    met: set[_Identity] = set()
    again = 0
    pending = [(top, _identities_above(path_of(top)))]
    while pending:
        folder, way = pending.pop()
        identity = _identity_of(path_of(folder))
        if identity is None or identity in way:
            continue
        again += identity in met
        if again > _MOST_PATHS_AGAIN:
            raise LinkedFoldersError(folder)
        met.add(identity)
        yield folder
        below = [f"{folder}/{name}" if folder else name for name in inner(folder)]
        pending += [(name, way | {identity}) for name in reversed(below)]


def _identity_of(folder: str) -> _Identity | None:
    """Return what all paths of one folder have in common; None where there is no folder."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _identities_above(folder: str) -> frozenset[_Identity]:
    """Return the identities of all folders that the absolute path `folder` lies in."""
    found: set[_Identity] = set()
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        identity = _identity_of(folder)
        if identity is not None:
            found.add(identity)
    return frozenset(found)
