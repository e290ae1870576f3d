"""Tells folders that are the same though their paths differ, so that links in a circle end a walk."""

from __future__ import annotations

import os

Identity = tuple[int, int]


def identity_of(folder: str) -> Identity | None:
    """What all paths of one folder have in common; None where there is no folder to ask."""
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def identities_above(folder: str) -> frozenset[Identity]:
    """The identities of all folders that the absolute path `folder` lies in."""
    found: set[Identity] = set()
    while folder != os.path.dirname(folder):
        folder = os.path.dirname(folder)
        identity = identity_of(folder)
        if identity is not None:
            found.add(identity)
    return frozenset(found)
