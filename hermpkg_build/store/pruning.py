"""Prunes the cache: what was not used for longest goes first, and nothing that a running process may need.

An entry can be taken away at any time: whoever misses it makes it again. So that running builds do not have
to, a process that has the cache open keeps a folder in ``running`` locked, and what was used since the
first of these began stays. Where a process opens the cache meanwhile, an entry is moved aside before it is
removed, and moved back where it turns out to have been used.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing, suppress
from typing import Any

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.cache_tag import is_cache
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.held_folders import held_since, is_held
from hermpkg_build.disk.replacing import discard_folder, new_folder, remove_abandoned, replace_file
from hermpkg_build.errors import HermpkgError
from hermpkg_build.store.cache import ABANDONED_S, RUNNING
from hermpkg_build.store.content import SEALED_NS
from hermpkg_build.store.database import Database
from hermpkg_build.store.environments import forget_unshared
from hermpkg_build.store.failures import FULL, cache_errors
from hermpkg_build.store.index import folder_of
from hermpkg_build.store.survey import Entry, entries_in, environment_entries, index_files, root_of
from hermpkg_build.store.usage import Notes, all_notes, space_of, write_notes

_LOOK_AGAIN_S = 24 * 3600.0
_PRUNED_TO = 0.9
"""The part of the limit that is left where it was passed, so that not every build has to prune."""

_CLOCKS_S = 60.0
"""How far the clocks of machines that share a cache folder may differ."""

_REMOVERS = 16
"""Threads that remove entries: as many deletions as a disk has work for at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruned:
    """What went and what is left, as numbers of entries and the space they take, with that of the index.

    `in_use_entries` would have gone too, were it not for running processes.
    """

    removed_entries: int = 0
    removed_bytes: int = 0
    left_entries: int = 0
    left_bytes: int = 0
    in_use_entries: int = 0


def prune_cache(
    directory: str,
    *,
    max_bytes: int | None = None,
    max_age_s: float | None = None,
    least_bytes: int | None = None,
    dry_run: bool = False,
    others: Iterable[Entry] = (),
) -> Pruned:
    """Remove the entries that were not used for `max_age_s` seconds, and then the least recently used ones.

    Where all take more than `max_bytes`, entries go until no more than `least_bytes` are left, by default
    `max_bytes`. The index of files goes last, as a whole; its rows on folders that are gone go always.
    With `dry_run` nothing is removed. `others` are folders that have a limit of their own and may go here
    too; those that a process holds do not count. Raises LocalEnvironmentError where the folder cannot be
    written.
    """
    root = root_of(directory)
    folders = [*environment_entries(os.path.dirname(root))]
    folders += (entry for entry in others if not is_held(entry.path))
    is_there = is_cache(root)
    if not is_there and not folders:
        return Pruned()
    if is_there and not dry_run:
        _tidy(root)
    opened = _last_opened(root)
    own = entries_in(root) if is_there else ()
    entries = sorted([*own, *folders], key=lambda entry: (entry.used_ns, entry.path))
    total = before = sum(entry.bytes for entry in entries) + _index_bytes(root)
    doomed = _doomed(entries, total, max_bytes, max_bytes if least_bytes is None else least_bytes, max_age_s)
    since = min(held_since(os.path.join(root, RUNNING)), default=None)
    free = [entry for entry in doomed if since is None or entry.used_ns < (since - _CLOCKS_S) * 1e9]
    gone = free if dry_run else _removed(root, free, opened if since is None else None)
    total -= sum(entry.bytes for entry in gone)
    if since is None and max_bytes is not None and total > max_bytes and len(gone) == len(entries):
        total -= _index_bytes(root)
        if not dry_run:
            _remove_index(root)
    if is_there and not dry_run:
        _note_size(root, total, 0)
        _forget(root, gone)
    return Pruned(
        removed_entries=len(gone),
        removed_bytes=before - total,
        left_entries=len(entries) - len(gone),
        left_bytes=total,
        in_use_entries=len(doomed) - len(gone),
    )


def keep_within(directory: str, limit: int, written: int) -> Pruned | None:
    """Prune the cache where it has passed `limit` bytes, `written` of them by this process.

    It is looked at at most once a day, unless what was written since then can have made it pass the limit.
    None where nothing was written or nothing had to go; nothing raises.
    """
    root = root_of(directory)
    if not written or not is_cache(root):
        return None
    known, before, looked = _noted_size(root)
    written += before
    is_recent = 0 <= time.time() - looked < _LOOK_AGAIN_S
    if is_recent and (known + written <= limit or written < limit / 100):
        _note_size(root, known, written, looked)
        return None
    try:
        pruned = prune_cache(directory, max_bytes=limit, least_bytes=int(limit * _PRUNED_TO))
    except (OSError, HermpkgError):  # a later build tries again
        return None
    return pruned if pruned.removed_entries else None


def _doomed(
    entries: list[Entry], total: int, max_bytes: int | None, least_bytes: int | None, max_age_s: float | None
) -> list[Entry]:
    """Return those that are to go of `entries`, which begin with the least recently used."""
    oldest = None if max_age_s is None else time.time_ns() - int(max_age_s * 1e9)
    goal = least_bytes if max_bytes is not None and total > max_bytes else None
    doomed = []
    for entry in entries:
        is_old = oldest is not None and entry.used_ns < oldest
        if not is_old and (goal is None or total <= goal):
            break
        doomed.append(entry)
        total -= entry.bytes
    return doomed


def _removed(root: str, doomed: Sequence[Entry], opened: int | None) -> list[Entry]:
    """Remove entries, but for those that are used meanwhile; return those that are gone.

    No process has the cache open where it was opened last at the time `opened`.
    """
    folders = [entry for entry in doomed if entry.is_folder]
    gone = [entry for entry in folders if discard_folder(entry.path)]
    if folders:
        forget_unshared(os.path.dirname(root))
        doomed = [entry for entry in doomed if not entry.is_folder]
        return [*gone, *(_removed(root, doomed, opened) if doomed else ())]
    temporary = os.path.join(root, "tmp")
    with cache_errors(root):
        os.makedirs(temporary, exist_ok=True)
        try:
            with new_folder(temporary) as aside:

                def remove(entry: Entry) -> bool:
                    if opened is not None and opened == _last_opened(root):
                        return _unlinked(entry)
                    return _moved_out(entry, os.path.join(aside, entry.name.hex()))

                return _removed_by(remove, doomed)
        except OSError as error:
            if error.errno not in FULL:
                raise
        # There is no room for a folder aside before there is less of all else.
        return _removed_by(_unlinked, doomed)


def _removed_by(remove: Callable[[Entry], bool], doomed: Sequence[Entry]) -> list[Entry]:
    """Let several threads remove entries; return those that `remove` says are gone.

    A file system may wait for its disk at each file, for as long as one thread asks for one at a time. Those
    in one folder are one thread's: they would wait for each other.
    """
    if not doomed:
        return []
    from concurrent.futures import ThreadPoolExecutor

    folders: dict[str, list[Entry]] = {}
    for entry in doomed:
        folders.setdefault(os.path.dirname(entry.path), []).append(entry)
    with ThreadPoolExecutor(_REMOVERS) as pool:
        parts = pool.map(lambda entries: [entry for entry in entries if remove(entry)], folders.values())
        return [entry for part in parts for entry in part]


def _last_opened(root: str) -> int | None:
    """Return when a process opened or closed the cache last, in nanoseconds; None where nothing tells."""
    try:
        return os.stat(os.path.join(root, RUNNING)).st_mtime_ns
    except OSError:
        return None


def _moved_out(entry: Entry, moved: str) -> bool:
    with suppress(OSError):
        os.rename(entry.path, moved)
        # Moving it is no use of it, but a change: only the time of access tells.
        if os.lstat(moved).st_atime_ns in (entry.used_ns, SEALED_NS):
            os.unlink(moved)
            return True
        os.rename(moved, entry.path)
    return False


def _unlinked(entry: Entry) -> bool:
    with suppress(OSError):
        os.unlink(entry.path)
        return True
    return False


def _tidy(root: str) -> None:
    """Remove what killed processes left, and rows of the index on folders that are gone."""
    for name in ("tmp", RUNNING):
        with suppress(OSError):
            remove_abandoned(os.path.join(root, name), age_s=ABANDONED_S)
    if any(index_files(root)):
        with closing(Database(root, writable=True)) as database:
            database.remove(lambda key: (folder := folder_of(key)) is not None and not os.path.isdir(folder))


def _remove_index(root: str) -> None:
    for path in reversed([*index_files(root)]):  # the journal must not outlive its database
        with suppress(OSError):
            os.unlink(path)


def _index_bytes(root: str) -> int:
    total = 0
    for path in index_files(root):
        with suppress(OSError):
            total += space_of(os.lstat(path).st_size)
    return total


def _forget(root: str, gone: list[Entry]) -> None:
    """Take entries that are gone out of the notes of workspaces."""
    names = {entry.name for entry in gone}
    for path, notes in all_notes(root):
        left = notes.entries - names
        with suppress(OSError):
            if not left:
                os.unlink(path)
            elif len(left) < len(notes.entries):
                write_notes(path, Notes(workspace=notes.workspace, entries=left))


def _noted_size(root: str) -> tuple[int, int, float]:
    """Return the size of the cache when it was looked at last, what was written since, and when that was."""
    try:
        noted: Any = loads(read_limited(_size_note(root)))
        return int(noted["bytes"]), int(noted["written"]), float(noted["looked"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return 0, 0, 0.0


def _note_size(root: str, size: int, written: int, looked: float | None = None) -> None:
    noted = {"bytes": size, "written": written, "looked": time.time() if looked is None else looked}
    with suppress(OSError):
        replace_file(_size_note(root), json.dumps(noted).encode())


def _size_note(root: str) -> str:
    return os.path.join(root, "size.json")
