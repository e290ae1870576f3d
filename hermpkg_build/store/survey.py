"""Surveys the cache: what lies in it, how large it is, and for which workspaces."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import suppress

from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.cache_tag import is_cache
from hermpkg_build.disk.replacing import ASIDE
from hermpkg_build.store.cache import FORMAT_FOLDER
from hermpkg_build.store.content import SEALED_NS
from hermpkg_build.store.environments import ENVIRONMENTS, environment_size, environments_place
from hermpkg_build.store.fetched import FETCHED, fetched_place
from hermpkg_build.store.usage import FOLDERS, all_notes, name_in_notes, space_of

INDEX = "index.sqlite3"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A content, an action result, an environment or a fetched artifact.

    It says where that lies, the space that it takes, and when it was used last.
    """

    path: str
    name: bytes
    bytes: int
    used_ns: int
    is_folder: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class KindSize:
    """How many files of one kind there are, and the space that they take."""

    kind: str
    entries: int
    bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceSize:
    """The entries that the builds of one workspace have used and that are still there.

    `shared_bytes` are those of them that other workspaces have used too; `used` is the Unix time at which
    one of them was used last, by whatever workspace.
    """

    workspace: str
    entries: int
    bytes: int
    shared_bytes: int
    used: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Survey:
    """What the cache in `directory` holds; `unclaimed_bytes` are entries that no workspace has used."""

    directory: str
    bytes: int
    kinds: tuple[KindSize, ...]
    workspaces: tuple[WorkspaceSize, ...]
    unclaimed_bytes: int


def survey_cache(directory: str) -> Survey:
    """Survey the cache in a folder; one that is not there is empty."""
    root = root_of(directory)
    entries = [*entries_in(root)] if is_cache(root) else []
    contents = [entry for entry in entries if f"{os.sep}cas{os.sep}" in entry.path[len(root) :]]
    results = len(entries) - len(contents)
    size_of_contents = sum(entry.bytes for entry in contents)
    kinds = (
        KindSize(kind="contents", entries=len(contents), bytes=size_of_contents),
        KindSize(
            kind="action results",
            entries=results,
            bytes=sum(entry.bytes for entry in entries) - size_of_contents,
        ),
        _kind("index of files and imports", [*index_files(root)]),
        _kind("notes on workspaces", [*_files_below(os.path.join(root, "workspaces"))]),
        _kind("unfinished work", [*_files_below(os.path.join(root, "tmp"))]),
        _kind("compiled code of artifacts", [*_files_below(os.path.join(directory, "code"))]),
        _kind("unpacked files of artifacts", [*_files_below(os.path.join(directory, "unpacked"))]),
        _kind_of_folders(ENVIRONMENTS, environment_entries(directory)),
        _kind_of_folders(FETCHED, fetched_entries(directory)),
    )
    workspaces, unclaimed = _by_workspace(root, entries)
    return Survey(
        directory=directory,
        bytes=sum(kind.bytes for kind in kinds),
        kinds=kinds,
        workspaces=workspaces,
        unclaimed_bytes=unclaimed,
    )


def environment_entries(directory: str) -> Iterator[Entry]:
    """Give the environments that are kept in a cache folder, unfinished ones too."""
    for folder in _scan(environments_place(directory)):
        if folder.is_dir(follow_symlinks=False):
            size, used_ns = environment_size(folder.path)
            yield Entry(path=folder.path, name=b"", bytes=size, used_ns=used_ns, is_folder=True)


def fetched_entries(directory: str) -> Iterator[Entry]:
    """Give the artifacts in a cache folder that programs have fetched there, whole."""
    for folder in _scan(fetched_place(directory)):
        if folder.is_dir(follow_symlinks=False) and not folder.name.startswith(ASIDE):
            with suppress(OSError):
                used_ns = os.lstat(folder.path).st_mtime_ns
                size = _kind(FETCHED, [*_files_below(folder.path)]).bytes
                yield Entry(path=folder.path, name=b"", bytes=size, used_ns=used_ns, is_folder=True)


def _kind_of_folders(kind: str, entries: Iterable[Entry]) -> KindSize:
    sizes = [each.bytes for each in entries]
    return KindSize(kind=kind, entries=len(sizes), bytes=sum(sizes))


def root_of(directory: str) -> str:
    """Return the folder of the present format in a cache folder."""
    return os.path.join(os.path.realpath(directory), FORMAT_FOLDER)


def entries_in(root: str) -> Iterator[Entry]:
    """Give the contents and action results in the folder `root`, in no order."""
    for folder, mark in FOLDERS.items():
        for part in _scan(os.path.join(root, folder)):
            for file in _scan(part.path) if part.is_dir(follow_symlinks=False) else ():
                name = name_in_notes(mark, file.name)
                if name is None or not file.is_file(follow_symlinks=False):
                    continue  # a file of somebody else's
                with suppress(OSError):
                    status = file.stat(follow_symlinks=False)
                    yield Entry(
                        path=file.path,
                        name=name,
                        bytes=space_of(status.st_size),
                        used_ns=last_use(status),
                    )


def last_use(status: os.stat_result) -> int:
    """Return when an entry was used last, in nanoseconds: for one that never was, when it was made."""
    return status.st_ctime_ns if status.st_atime_ns == SEALED_NS else status.st_atime_ns


def index_files(root: str) -> Iterator[str]:
    """Give the files of the index that are there."""
    for name in (INDEX, f"{INDEX}-journal"):
        if os.path.lexists(path := os.path.join(root, name)):
            yield path


def _kind(kind: str, paths: list[str]) -> KindSize:
    size = 0
    for path in paths:
        with suppress(OSError):
            size += space_of(os.lstat(path).st_size)
    return KindSize(kind=kind, entries=len(paths), bytes=size)


def _by_workspace(root: str, entries: list[Entry]) -> tuple[tuple[WorkspaceSize, ...], int]:
    """Return the size of each workspace, large ones first, and what none of them uses."""
    by_name = {entry.name: entry for entry in entries}
    used = {notes.workspace: notes.entries & by_name.keys() for _, notes in all_notes(root)}
    users = Counter(name for names in used.values() for name in names)
    sizes = [
        WorkspaceSize(
            workspace=workspace,
            entries=len(names),
            bytes=sum(by_name[name].bytes for name in names),
            shared_bytes=sum(by_name[name].bytes for name in names if users[name] > 1),
            used=max((by_name[name].used_ns for name in names), default=0) / 1e9,
        )
        for workspace, names in used.items()
        if names
    ]
    unclaimed = sum(entry.bytes for entry in entries if entry.name not in users)
    return tuple(sorted(sizes, key=lambda each: (-each.bytes, each.workspace))), unclaimed


def _files_below(folder: str) -> Iterator[str]:
    for here, _, names in os.walk(folder):
        yield from (os.path.join(here, name) for name in names)


def _scan(folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
