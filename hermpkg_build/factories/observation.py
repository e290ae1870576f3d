"""Observes what a factory asks for: modules imported, files read, folders listed, paths looked up."""

from __future__ import annotations

import os
import pathlib
import stat
import sys
from collections.abc import Callable, Iterable, Mapping
from functools import wraps
from types import FrameType, ModuleType
from typing import Any, TypeAlias

from hermpkg_build.core.module_names import parent_of
from hermpkg_build.dataclass import dataclass, replace
from hermpkg_build.disk.normal_paths import absolute_path
from hermpkg_build.disk.signatures import mark_of
from hermpkg_build.factories.asked_paths import absolute, file_of_database, given_path
from hermpkg_build.factories.folder_entries import note_statuses_of_entries
from hermpkg_build.factories.native_reads import NativeReads
from hermpkg_build.factories.observed_imports import files_of_start, folders_of_package, paths_of_module
from hermpkg_build.factories.other_processes import STARTS, NamedFiles, TellingNotes, told_by_forks
from hermpkg_build.factories.places import Place, Places
from hermpkg_build.factories.questions import input_test, question_test
from hermpkg_build.factories.request import ModelRequest, ObservedFiles
from hermpkg_build.factories.source_looks import UNSEEN_EVENTS, SourceLooks
from hermpkg_build.factories.system_functions import (
    as_of_system,
    let_system_module_have,
    path_of_open,
)
from hermpkg_build.factories.workspace_finder import WorkspaceFinder

_SOURCE_READERS = frozenset(
    {"importlib._bootstrap_external", "inspect", "linecache", "pkgutil", "tokenize", "zipimport", __name__}
)
"""The modules of Python that read a source to run or to show it, which a module's loader can give too."""
_PATH_MODULES = frozenset({"genericpath", "io", "ntpath", "os", "pathlib", "posixpath"})
"""The modules of Python through which code asks the file system."""
_NOTES = ("_read", "_listed", "_asked", "_links", "_written", "_sources")
Heeding: TypeAlias = Callable[[str, tuple[Any, ...]], None]
"""What is called with an audit event, and its arguments."""
_RESOLVE = pathlib.Path.resolve.__code__  # which asks, before Python 3.13, for more than whether it is a link
_REPLACES = os.O_WRONLY | os.O_TRUNC


@dataclass(frozen=True, slots=True, kw_only=True)
class Notes:
    """What a `FileObserver` has noted."""

    files: Mapping[str, dict[str, int | None]]
    looks: tuple[set[str], set[str], bool]


class FileObserver:
    """Notes which paths the Python code of this process asks the file system for, from now on.

    Reading and listing, failed attempts included, show in audit events. Looking up a path
    (`os.path.exists` and all that is built on it) shows in none, so `os.stat` and `os.access` are
    replaced by functions that take note, and so is `os.readlink`. What native code opens shows as far as
    `native` sees it. Forked processes tell; others are believed to read what their words name. None of this
    can be undone; it is for a process with one task.
    """

    def __init__(self, native: NativeReads | None = None) -> None:
        self._native = native
        self._declared: tuple[str, ...] = ()
        self._read: dict[str, int | None] = {}  # with what marked a file before it was read
        self._listed: dict[str, None] = {}
        self._asked: dict[str, int | None] = {}  # with 0 where code asked no more than whether it is a link
        self._links: dict[str, None] = {}
        self._written: dict[str, None] = {}
        self._sources: dict[str, None] = {}
        self._made_links: dict[str, str] = {}
        self.looks: SourceLooks = SourceLooks()
        self.named: NamedFiles = NamedFiles()
        self._told = ""
        self._forked = False
        self._stat = os.stat
        self._heeded: dict[str, list[Heeding]] = {}
        self.heed(["open"], self._note_open)
        self.heed(["ctypes.dlopen", "sqlite3.connect"], self._note_opened_by_native)
        self.heed(["os.listdir", "os.scandir"], self._note_listing)
        self.heed(["os.link", "os.symlink"], self._note_made_link)
        self.heed(STARTS, self._note_start)
        self.heed(UNSEEN_EVENTS, self.looks.on_event)
        sys.addaudithook(_hook(self._heeded))
        os.lstat = self._noting(self._noting_status(os.lstat), self._note_entry)
        os.stat = self._noting(self._noting_status(os.stat), self._note_asked, self._note_source)
        os.access = self._noting(os.access, self._note_asked, self._note_source)
        os.readlink = self._noting(os.readlink, self._note_link)
        os.open = self._noting_open(os.open)
        note_statuses_of_entries(self._note_status_of_entry)
        let_system_module_have("stat", "lstat", "access", "open", "readlink", "scandir", "DirEntry")
        accessor: Any = getattr(pathlib, "_NormalAccessor", None)
        if accessor is not None:  # Python 3.10 took the functions when it loaded pathlib
            accessor.stat, accessor.readlink = staticmethod(os.stat), staticmethod(os.readlink)

    def take(self) -> Notes:
        """Return all that was noted, and forget it."""
        taken = {name: getattr(self, name) for name in _NOTES}
        for name in _NOTES:
            setattr(self, name, {})
        return Notes(files=taken, looks=self.looks.take())

    def add(self, notes: Notes) -> None:
        """Note what `take` gave."""
        for name, files in notes.files.items():
            getattr(self, name).update(files)
        self.looks.add(notes.looks)

    def watch(self, native: NativeReads, folder: str, declared: Iterable[str] = ()) -> None:
        """See what native code reads by `native`, from now on, and what forked processes ask for.

        These tell in a file in `folder`. The paths that targets have `declared` may be links.
        """
        self._native, self._declared = native, tuple(declared)
        self._told = os.path.join(folder, "told")
        os.register_at_fork(after_in_child=self._tell)

    def _tell(self) -> None:
        """In a forked process: tell its parent of all that is noted from now on."""
        self._forked = True
        descriptor = os.open(self._told, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        for name in _NOTES:
            setattr(self, name, TellingNotes(getattr(self, name), name, descriptor))

    def _listen(self) -> None:
        """Note what forked processes have told."""
        for name, path in told_by_forks(self._told):
            if name != "_written" or path not in self._read:
                getattr(self, name).setdefault(path)

    def note_read(self, path: object) -> None:
        """Note a file that native code is about to read."""
        if name := absolute(path):
            self._note_read(name)

    def _note_read(self, path: str) -> None:
        if path not in self._read:
            self._read[path] = self._mark(path)

    def _mark(self, path: str) -> int | None:
        """The `mark_of` a file as it is; None where there is none. Takes no note."""
        try:
            status = self._stat(path)
        except (OSError, ValueError):
            return None
        return mark_of(status) if stat.S_ISREG(status.st_mode) else None

    def with_marks(self, seen: ObservedFiles) -> ObservedFiles:
        """What was `seen`, with what marked files before they were read, and those that are gone since."""
        return replace(
            seen,
            marks=tuple(self._read.get(path) or 0 for path in (*seen.read, *seen.code)),
            gone=tuple(path for path in seen.sought if self._read.get(path)),
        )

    def located_sources(self) -> list[str]:
        """The loaded modules whose sources code has looked for on disk, by name.

        Code that gets a path from a function, not by ``__file__``, cannot be told from its own source.
        """
        if not self._sources:
            return []
        return sorted(
            name
            for name, module in sys.modules.copy().items()
            if any(absolute_path(path) in self._sources for path in paths_of_module(module))
        )

    def written(self) -> tuple[str, ...]:
        """The files that were written before they were read."""
        return tuple(self._written)

    def missed(self, work: str) -> tuple[str, ...]:
        """The paths relative to the folder `work` that were asked for, and that lead nowhere there."""
        start = os.path.join(work, "")
        asked = (path for path, only_as_link in self._asked.items() if only_as_link is None)
        noted = {*self._read, *asked, *self._listed} - self._written.keys()
        inside = [path.removeprefix(start) for path in noted if path.startswith(start)]
        return tuple(
            sorted(
                path
                for path in inside
                if not path.startswith(".") and not os.path.lexists(os.path.join(work, path))
            )
        )

    def files(self, finder: WorkspaceFinder, places: Places, scratch: str) -> ObservedFiles:
        """All that was noted, less `scratch`, the interpreter's own files, and files that were written first.

        The source of an imported module counts as read also where the interpreter had it compiled
        already and only looked at its time; compiled files are left out. An import of a submodule
        counts as a listing of the folders of its package: a file that appears there can take its place.
        Sources of the workspace that were run, and that nothing looked at, are told apart: their code counts.
        """
        self._listen()
        self._follow_made_links()
        named = list(self.named.unchanged())
        run = {path for name in finder.sites if (path := finder.modules.get(name, "")).endswith(".py")}
        code = run - self.looks.among(run)
        asked, links, listed = dict(self._asked), list(self._links), dict(self._listed)
        is_input, is_question = input_test(places, scratch), question_test(places, scratch)
        unseen = [*self._opened_unseen(run, places), *named]
        read = {**self._read, **dict.fromkeys(unseen)}
        listed.update(dict.fromkeys(filter(os.path.isdir, unseen)))
        for name in finder.sites:
            read.update(dict.fromkeys(paths_of_module(sys.modules.get(name))))
        read.update(dict.fromkeys(files_of_start(finder, places)))
        for package in {parent_of(name) for name in finder.sites}:
            listed.update(dict.fromkeys(folders_of_package(package, places)))
        absent = (path for path in self.named.absent() if places.place_of(path) is Place.WORKSPACE)
        paths = [*read, *absent, *filter(is_question, asked)]
        for link in filter(is_question, links):
            paths += _by_way_of(link, paths)
            listed.update(dict.fromkeys(_by_way_of(link, listed)[1:]))
        paths = [path for path in paths if path not in self._written and is_input(path)]
        files = {path for path in paths if self._is_file(path)}
        return ObservedFiles(
            read=tuple(sorted(path for path in files - code if not _is_beside_source(path))),
            code=tuple(sorted(files & code)),
            listed=tuple(sorted(path for path in listed if is_input(path))),
            sought=tuple(sorted({path for path in paths if not _is_beside_source(path)} - files)),
        )

    def _follow_made_links(self) -> None:
        """Note by its own path what was asked for by way of a link that was made here."""
        for link, target in self._made_links.items():
            for noted in (self._read, self._asked, self._listed):
                for path in list(noted):
                    if path == link or path.startswith(f"{link}/"):
                        noted.setdefault(f"{target}{path[len(link) :]}")

    def _opened_unseen(self, run: Iterable[str], places: Places) -> list[str]:
        """The files that `native` told of, by the links that code or a target names them by."""
        opened = [path for path in (self._native.files() if self._native else ()) if path not in self._read]
        if not opened:
            return []
        named = (path for path in (*self._read, *run) if places.place_of(path) is Place.WORKSPACE)
        links = {os.path.realpath(path): path for path in (*self._declared, *named)}
        return [links.get(path, path) for path in opened]

    def _is_file(self, path: str) -> bool:
        """Whether there is a file, without taking note."""
        try:
            return stat.S_ISREG(self._stat(path).st_mode)
        except (OSError, ValueError):
            return False

    def heed(self, events: Iterable[str], heeding: Heeding) -> None:
        """Call `heeding` for each of these audit events, from now on."""
        for event in events:
            self._heeded.setdefault(event, []).append(heeding)

    def _note_open(self, _: str, arguments: tuple[Any, ...]) -> None:
        path, mode, flags = arguments
        name = absolute(path)
        if mode in ("w", "x", "a", "wb", "xb", "ab") or self._is_written(name, flags or 0):
            if name not in self._read:
                self._written[name] = None
        elif name:
            self._note_read(name)
            self.looks.note_open(name)
            self._note_source(name)

    def _is_written(self, path: str, flags: int) -> bool:
        """Whether who opens a file with these `flags` can see nothing of what it was before."""
        if flags & _REPLACES or (flags & os.O_CREAT and flags & os.O_EXCL):
            return True
        return bool(flags & os.O_CREAT) and not self._is_file(path)

    def _note_made_link(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note what a link that is made leads to: files are read by its name from now on."""
        target, link = map(absolute, arguments[:2])
        if event == "os.link":
            self._note_read(target)
        elif target and link:
            self._made_links[link] = absolute_path(
                os.path.join(os.path.dirname(link), os.fsdecode(arguments[0]))
            )

    def _note_start(self, event: str, arguments: tuple[Any, ...]) -> None:
        """Note what another process is given to read, and watch the folders that it is given."""
        self.named.note(event, arguments)
        if self._forked:
            self._note_named()
        elif self._native is not None:
            self._native.watch_for_processes(self.named.take_folders())

    def note_process(self) -> None:
        """Note that a process is started of which no event tells: it can read and look at any source."""
        self.looks.note_all()
        if self._native is not None and not self._forked:
            self._native.watch_for_processes(self.named.take_folders())

    def _note_named(self) -> None:
        """Note what words name: before it tells of that, in a forked process."""
        for path in self.named.unchanged():
            (self._listed if os.path.isdir(path) else self._read)[path] = None

    def _note_opened_by_native(self, _: str, arguments: tuple[Any, ...]) -> None:
        """Note what native code opens, and tells here only. A database that is not there is written first."""
        name = absolute(file_of_database(arguments[0]))
        if name and self._is_file(name):
            self._note_read(name)

    def _note_listing(self, event: str, arguments: tuple[Any, ...]) -> None:
        path = arguments[0]
        path = path_of_open(path) if isinstance(path, int) else path
        if name := absolute(os.curdir if path is None else path):
            self._listed[name] = None
            if event == "os.scandir":  # its entries know their sizes and times
                self.looks.note_folder(name)

    def _note_source(self, path: str) -> None:
        """Note the source of a module, save where Python's own ways of reading sources ask for it."""
        if path.endswith(".py") and _asking_module() not in _SOURCE_READERS:
            self._sources[path] = None

    def _noting_status(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, which gives the attributes of a path, noting those of which code asks for them."""

        @wraps(function)
        def noting(path: Any, *arguments: Any, **options: Any) -> Any:
            if name := given_path(path, options):
                self.looks.note_status(name, options)
            return function(path, *arguments, **options)

        return as_of_system(function, noting)

    def _note_status_of_entry(self, path: str | bytes) -> None:
        if name := absolute(path):
            self._note_asked(name)

    def _noting_open(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, which opens a path, noting those from an open folder: no event tells of that."""

        @wraps(function)
        def opening(path: Any, *arguments: Any, **options: Any) -> Any:
            if options.get("dir_fd") is not None and (name := given_path(path, options)):
                self._note_read(name)
                self.looks.note(name)
            return function(path, *arguments, **options)

        return as_of_system(function, opening)

    def _note_asked(self, path: str) -> None:
        resolves = getattr(sys._getframe(2).f_back, "f_code", None) is _RESOLVE
        self._asked[path] = self._asked.get(path, 0) if resolves else None

    def _note_entry(self, path: str) -> None:
        self._asked[path] = self._asked.get(path, 0)

    def _note_link(self, path: str) -> None:
        self._links[path] = None

    def _noting(self, function: Callable[..., Any], *notes: Callable[[str], None]) -> Callable[..., Any]:
        """`function`, which takes a path first; the `notes` are given every path that it is called with."""

        @wraps(function)
        def noting(path: Any, *arguments: Any, **options: Any) -> Any:
            if name := given_path(path, options):
                for note in notes:
                    note(name)
            return function(path, *arguments, **options)

        return as_of_system(function, noting)


def _by_way_of(link: str, paths: Iterable[str]) -> list[str]:
    """The `link`, and those of `paths` that lie below the folder that it leads to, as paths that go by it.

    Code that asks where a link leads, and goes on from there, depends on what it leads to later.
    """
    target = os.path.realpath(link)
    below = os.path.join(target, "")
    if not os.path.isdir(target):
        return [link]
    return [link, *(os.path.join(link, path.removeprefix(below)) for path in paths if path.startswith(below))]


def observe_native_reader(owner: ModuleType | type, name: str, observer: FileObserver) -> None:
    """Let the observer know of files that a function opens, which `owner` has by a `name`: native code."""
    native = getattr(owner, name)

    @wraps(native, updated=())
    def reading(filename: Any, *arguments: Any, **options: Any) -> Any:
        observer.note_read(filename)
        return native(filename, *arguments, **options)

    setattr(owner, name, staticmethod(reading) if isinstance(owner, type) else reading)


def data_among(paths: Iterable[str], request: ModelRequest, places: Places) -> tuple[str, ...]:
    """The `paths` of files that are not modules, relative to the search path or source root they lie in."""
    roots = {
        Place.ENVIRONMENT: request.search_path,
        Place.WORKSPACE: [os.path.join(request.workspace_root, root) for root in request.source_roots],
    }
    starts = {
        place: {os.path.join(root, "") for folder in given for root in (folder, os.path.realpath(folder))}
        for place, given in roots.items()
    }
    found = set()
    for path in paths:
        if path.endswith((".py", ".pth")):
            continue
        given = starts.get(places.place_of(path), ())
        start = max((start for start in given if path.startswith(start)), key=len, default="")
        if start:
            found.add(path.removeprefix(start))
    return tuple(sorted(found))


def reads_of_workspace(paths: Iterable[str], request: ModelRequest, places: Places) -> tuple[str, ...]:
    """The `paths` of files of the workspace, relative to its root, but for those that the request names."""
    named = {*request.modules.values(), request.weights}
    of_workspace = (path for path in paths if places.place_of(path) is Place.WORKSPACE and path not in named)
    return tuple(sorted(map(places.short_path, of_workspace)))


def _hook(heeded: Mapping[str, Iterable[Heeding]]) -> Heeding:
    """A hook for audit events that calls those who heed one.

    Most concern nobody: `id` raises one. So this is a function, and no method: before each call Python looks
    for an attribute of the hook, and to find none in a method takes longer than all else.
    """
    those_who_heed = heeded.get

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        for heeding in those_who_heed(event, ()):
            heeding(event, arguments)

    return hook


def _asking_module() -> str:
    """The name of the module whose code asks the file system something right now."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    while frame is not None and frame.f_globals.get("__name__") in _PATH_MODULES:
        frame = frame.f_back
    return str(frame.f_globals.get("__name__", "")) if frame is not None else ""


def _is_beside_source(path: str) -> bool:
    """Whether a file was compiled from a source that counts in its place."""
    return path.endswith(".pyc") and os.path.basename(os.path.dirname(path)) == "__pycache__"
