"""Notes what a process uses of the cache: when, for entries to go in the order of their use, and for whom.

An entry says itself when it was used last, by the time of access that is set each time a process uses it
first. Which workspaces have used it is noted beside the entries, one file a workspace.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.relayed import Relayed, relayed
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file

FOLDERS = {"ac": b"a", "cas": b"c"}
"""The folders of entries, and what stands for them in the notes of a workspace."""

WORKSPACES = "workspaces"
_HASH_SIZE = 32
_LARGEST = 1 << 30
"""Bytes of the notes of a workspace: those of thirty million entries."""


class Usage(Relayed):
    """What this process has used of the cache whose folder of entries is `root`, in any thread."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._used: set[str] = set()
        self.written: int = 0

    def note(self, path: str, *, mtime_ns: int | None = None) -> bool:
        """Note that the entry at `path` is used now, and tell whether it is still there.

        With `mtime_ns` it has this mtime too. An entry that went between a look at it and this call is
        told as gone; one that is noted stays where it is for as long as this process runs.
        """
        if path in self._used:
            return True
        now = time.time_ns()
        try:
            os.utime(path, ns=(now, now if mtime_ns is None else mtime_ns))
        except FileNotFoundError:
            return False
        except OSError:  # of another user, or read only: nothing removes it either
            return True
        self._used.add(path)
        self._add(path, 0)
        return True

    def note_written(self, path: str, size: int) -> None:
        """Note that this process has put an entry of `size` bytes at `path`."""
        self._add(path, space_of(size))

    @relayed
    def _add(self, path: str, written: int) -> None:
        self._used.add(path)
        self.written += written

    def keep(self, workspace: str) -> None:
        """Note what was used so far as used by the workspace at an absolute path. Nothing raises."""
        names = set(filter(None, map(self._name_of, self._used)))
        if not names:
            return
        path = os.path.join(self._root, WORKSPACES, hashlib.sha256(os.fsencode(workspace)).hexdigest()[:32])
        before = read_notes(path)
        if before is None or not names <= before.entries:
            entries = names | (before.entries if before else frozenset())
            with suppress(OSError):
                write_notes(path, Notes(workspace=workspace, entries=frozenset(entries)))

    def _name_of(self, path: str) -> bytes | None:
        """The name in notes of an entry that lies below this root, and not in a cache that is read only."""
        folder, _, hash_ = path.rpartition("/")
        above = os.path.dirname(folder)
        mark = FOLDERS.get(os.path.basename(above))
        if mark is None or os.path.dirname(above) != self._root:
            return None
        return name_in_notes(mark, hash_)


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """The entries that builds of one workspace have used, by their names in notes."""

    workspace: str
    entries: frozenset[bytes]


def space_of(size: int) -> int:
    """Return the bytes that a file of `size` bytes takes on most disks, in blocks of 4 KiB."""
    return -(-size // 4096) * 4096


def name_in_notes(mark: bytes, hash_: str) -> bytes | None:
    """Return the name of an entry; None for a file that is no entry."""
    try:
        name = bytes.fromhex(hash_)
    except ValueError:
        return None
    return mark + name if len(name) == _HASH_SIZE else None


def all_notes(root: str) -> Iterator[tuple[str, Notes]]:
    """Give the notes of all workspaces, each with the path of its file."""
    with suppress(OSError):
        for name in sorted(os.listdir(os.path.join(root, WORKSPACES))):
            path = os.path.join(root, WORKSPACES, name)
            if (notes := read_notes(path)) is not None:
                yield path, notes


def read_notes(path: str) -> Notes | None:
    """Read the notes of a workspace; None where they are absent or damaged."""
    try:
        head, _, rest = read_limited(path, _LARGEST).partition(b"\n")
        stated: Any = loads(head)
        workspace = stated["workspace"]
        step = _HASH_SIZE + 1
        if len(rest) % step or not isinstance(workspace, str):
            return None
        entries = frozenset(rest[start : start + step] for start in range(0, len(rest), step))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Notes(workspace=workspace, entries=entries)


def write_notes(path: str, notes: Notes) -> None:
    """Write the notes of a workspace. Raises OSError."""
    head = json.dumps({"workspace": notes.workspace}).encode()
    replace_file(path, head + b"\n" + b"".join(sorted(notes.entries)))
