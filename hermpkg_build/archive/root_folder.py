"""Finds the root folder of an archive, which all readers must find to be the same, and the records in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from hermpkg_build.archive.layout import VERSION_RECORD
from hermpkg_build.archive.members import Members
from hermpkg_build.errors import ArchiveError

_VERSIONS = (VERSION_RECORD, "version")


class Rooted(NamedTuple):
    """The `members` in the folder `root`, by the rest of their names, and the names of others, `strays`.

    `root` is "" where records lie in no folder.
    """

    root: str
    members: Members
    strays: tuple[str, ...] = ()


def below_root(members: Members) -> Rooted:
    """Find the root folder, and the members in it.

    It is that of the version record, else the first segment, which all names share. Raises ArchiveError where
    there is none, and where others may see another artifact, as each reader chooses a root.
    """
    if VERSION_RECORD in members:
        return Rooted("", members)
    first = next(iter(members), "").partition("/")[0]
    found = members.below(f"{first}/")
    if len(found) == len(members) and members:
        return Rooted(first, found)
    root = _root_among(members)
    strays = tuple(name for name in members if not name.startswith(f"{root}/"))
    _refuse_second_root(root, strays)
    return Rooted(root, members.below(f"{root}/"), strays)


def _root_among(members: Members) -> str:
    for name in members:
        folder, slash, rest = name.partition("/")
        if slash and rest in _VERSIONS:
            return folder
    raise ArchiveError(
        "the archive is not an artifact: its records do not lie in one root folder",
        facts=[("records", ", ".join(list(members)[:5]) or "none")],
    )


def _refuse_second_root(root: str, strays: Sequence[str]) -> None:
    for name in strays:
        folder, _, rest = name.partition("/")
        if rest == VERSION_RECORD:
            raise ArchiveError(
                "the archive holds several artifacts, each in a root folder of its own",
                facts=[("folders", f"{root}, {folder}")],
                next_step="take one out, but trust neither if it was sent to you",
            )
