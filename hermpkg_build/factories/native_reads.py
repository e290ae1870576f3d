"""Notices files of the workspace that are opened unseen by Python: by native code and by other processes."""

from __future__ import annotations

import ctypes
import os
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.disk.cache_tag import TAG_NAME, is_cache
from hermpkg_build.factories.git_head import HEAD, INDEX, git_folder, paths_beside_head

_MOST_FOLDERS = 2048
"""Each watched folder costs the kernel about a kilobyte, and this process two system calls."""
# From <sys/inotify.h>.
_IN_MODIFY, _IN_CLOSE_WRITE, _IN_CLOSE_NOWRITE, _IN_OPEN, _IN_MOVED_TO, _IN_CREATE, _IN_ISDIR = (
    0x2,
    0x8,
    0x10,
    0x20,
    0x80,
    0x100,
    0x40000000,
)
_MADE = _IN_CREATE | _IN_MOVED_TO
_WATCHED = _IN_MODIFY | _IN_OPEN | _IN_CLOSE_WRITE | _IN_CLOSE_NOWRITE | _MADE
"""The kernel tells equal events in a row once; that a file was closed stands between two that open it."""
_IN_FLAGS = os.O_NONBLOCK | os.O_CLOEXEC
_EVENT = struct.Struct("iIII")
_BUFFER_BYTES = 1 << 16
_CACHES = frozenset(["v1"])
"""What the parts of a cache are called that have its marker."""

_BESIDE_CACHE = ("code", "fetched", "unpacked")
"""What else is in a cache folder."""

_CODE_SUFFIXES = (".py", ".pyc")
"""Python code reads these, and so do the builds beside this one, whenever they like."""

_SHARED_FOLDERS = frozenset(
    f"/{name}" for name in ("", "home", "mnt", "opt", "root", "srv", "tmp", "var", "var/tmp")
)
_SYSTEM_FOLDERS = tuple(
    f"/{name}/"
    for name in ("bin", "boot", "dev", "etc", "lib", "lib32", "lib64", "proc", "run", "sbin", "sys", "usr")
)
"""What all programs open files in, whenever they like."""


class NativeReads:
    """Watches folders, as far as the operating system can: Linux tells of files that any process opens.

    A file that any other program happens to open meanwhile is noticed too: an input too many makes a model
    again for nothing, one too few gives a wrong model. Python sees the sources of modules, so these are left
    out.
    """

    def __init__(self, first: Iterable[str], top: str) -> None:
        """Watch the folders `first` and those below `top`, the outer ones first, 2,048 at most."""
        self._top = top
        self._folders: dict[int, str] = {}
        self._reads: Counter[str] = Counter()
        self._made: set[str] = set()
        self._sees_code = False
        self._head = ""
        self._is_index_read = False
        self._modified: set[str] = set()
        self._descriptor = -1
        if sys.platform != "linux":
            return
        libc = ctypes.CDLL(None, use_errno=True)
        self._descriptor = libc.inotify_init1(_IN_FLAGS)
        if self._descriptor < 0:
            return
        self._add_watch = libc.inotify_add_watch
        self._add(chain(dict.fromkeys(first), _folders_of_project(top)))
        self._drain()
        self._reads.clear()
        self._modified.clear()

    def watch_for_processes(self, tops: Iterable[str]) -> None:
        """See what another process that starts now opens, also below `tops`, but for what all programs use.

        Such a process can run or read code of the workspace, or ask git for its commit, of which nothing is
        noticed before.
        """
        if self._descriptor < 0:
            return
        if not self._sees_code:
            self._drain()
            self._sees_code = True
            watched = list(self._folders.values())
            self._add(os.path.join(folder, "__pycache__") for folder in watched)
            if git := git_folder(self._top):
                self._add([git])
                self._head = os.path.join(git, HEAD)
        for top in tops:
            if top not in _SHARED_FOLDERS and not f"{top}/".startswith(_SYSTEM_FOLDERS):
                self._add(_folders_of_project(top))

    def _add(self, folders: Iterable[str]) -> None:
        for folder in islice(folders, _MOST_FOLDERS - len(self._folders)):
            watch = self._add_watch(self._descriptor, os.fsencode(folder), _WATCHED)
            if watch >= 0:
                self._folders.setdefault(watch, folder)

    def files(self) -> list[str]:
        """The paths of files that were there when the watch began, and were opened since to read.

        Where git looked for the commit, there are the paths that tell it among them, a folder too.
        """
        self._drain()
        paths = [path for path, reads in self._reads.items() if reads > 0 and path not in self._made]
        return [*paths, *(paths_beside_head(self._head) if self._head in paths else ())]

    def index_of_git(self) -> list[str]:
        """The path of git's index, where git looked which files it tracks, or whether they are changed."""
        return [self._head.removesuffix(HEAD) + INDEX] if self._is_index_read else []

    def _drain(self) -> None:
        while self._descriptor >= 0:
            try:
                events = os.read(self._descriptor, _BUFFER_BYTES)
            except BlockingIOError:
                return
            except OSError:  # the factory closed a descriptor that is not its own
                self._descriptor = -1
                return
            for watch, mask, name in _events(events):
                if mask & _IN_ISDIR or not name:
                    continue
                path = os.path.join(self._folders.get(watch, ""), name)
                if self._head and path != self._head and path.startswith(self._head.removesuffix(HEAD)):
                    self._is_index_read = self._is_index_read or name == INDEX
                    continue
                if name.endswith(_CODE_SUFFIXES):
                    if not self._sees_code:
                        continue
                    path = _source_of(path)
                if mask & _IN_OPEN:
                    self._reads[path] += 1
                elif mask & _IN_MODIFY:
                    self._modified.add(path)
                elif mask & _IN_CLOSE_WRITE and path in self._modified:
                    self._reads[path] -= 1
                elif mask & _MADE and not self._reads[path]:
                    self._made.add(path)


def _events(data: bytes) -> Iterator[tuple[int, int, str]]:
    """The watch, the mask and the name of each event in what the kernel gave."""
    start = 0
    while start < len(data):
        watch, mask, _, length = _EVENT.unpack_from(data, start)
        start += _EVENT.size
        yield watch, mask, os.fsdecode(data[start : start + length].rstrip(b"\0"))
        start += length


def _source_of(path: str) -> str:
    """The source of a module that is compiled in `path`, which is its own where that is no such file."""
    folder, name = os.path.split(path)
    if not name.endswith(".pyc") or os.path.basename(folder) != "__pycache__":
        return path
    return os.path.join(os.path.dirname(folder), f"{name.partition('.')[0]}.py")


def _folders_of_project(top: str) -> Iterator[str]:
    """The folder `top` and those below it, without outputs, caches, hidden folders, links and environments.

    In a cache of ours the build that waits for the factory reads all the time, and other builds do.
    """
    pending = [top]
    for folder in pending:
        try:
            entries = list(os.scandir(folder))
        except OSError:
            continue
        names = {entry.name for entry in entries}
        if "pyvenv.cfg" in names or (TAG_NAME in names and is_cache(folder)):
            continue
        yield folder
        beside = (
            _BESIDE_CACHE if any(is_cache(os.path.join(folder, name)) for name in names & _CACHES) else ()
        )
        pending += sorted(
            entry.path
            for entry in entries
            if not entry.name.startswith((".", OUTPUT_FOLDER, "__pycache__"))
            and entry.name not in beside
            and entry.is_dir(follow_symlinks=False)
        )
