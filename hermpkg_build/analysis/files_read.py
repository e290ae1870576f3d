"""Finds the packed code that reads files by their path, and the data files of distributions that it needs.

A source does not say which files it will read, only hints at them; so a data file counts as read
where it was seen to be, or where the code of its package both asks for its own place and names
the file, the folder it lies in, or its suffix.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property

from hermpkg_build.analysis.chosen_files import ChosenFiles
from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.analysis.native_libraries import (
    is_library,
    loads_libraries,
    names_library,
    needed_libraries,
    place_of_loading,
)
from hermpkg_build.archive.layout import problem_with_name
from hermpkg_build.core.graph import ModuleGraph, ModuleNode
from hermpkg_build.core.import_facts import SourceUse
from hermpkg_build.core.module_names import folder_of_module, record_of_module, top_of
from hermpkg_build.core.module_roles import ModuleKind, Origin, Policy
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.disk.files import read_limited
from hermpkg_build.errors import Location

_REAL_PATHS = frozenset({"__file__", "__path__"})
_PLACES = _REAL_PATHS | {"importlib.resources", "pkgutil.get_data"}
_METADATA_READERS = ("importlib.metadata", "importlib_metadata")
_METADATA_FILES = ("METADATA", "PKG-INFO", "entry_points.txt")
_NEVER_DATA = (".py", ".pyc", ".pyo")
_WITH_SOURCE = (ModuleKind.SOURCE, ModuleKind.PACKAGE)
_LARGEST_TEXT = 1 << 18
_FOLDER_NAMES = re.compile(rb"""["'/.](?=([^"'/\n]{1,255})["'/])""")
Listing = Callable[[str], "Mapping[str, bool] | None"]
"""The entries of a folder, name -> whether it is a folder; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FilesRead:
    """The files that packed code needs.

    `real` are the top-level modules whose code needs real paths, sorted; `data` the files to be
    packed beside it: record name -> absolute path. `libraries` are the records of shared libraries that lie
    there too, of packages that load some by names that they compute, at the places `loading`; `own` are files
    of the workspace that would be data if an installed distribution had them. `unmatched` are the globs that
    match nothing. Of the sources `searched`, by path, nothing but their `quoted_names` decided this; of those
    that were `read` any text may have.
    """

    real: tuple[str, ...] = ()
    data: Mapping[str, str] = field(default_factory=dict)
    libraries: tuple[str, ...] = ()
    loading: tuple[Location, ...] = ()
    own: tuple[str, ...] = ()
    unmatched: tuple[str, ...] = ()
    searched: frozenset[str] = field(default=frozenset(), compare=False)
    read: frozenset[str] = field(default=frozenset(), compare=False)


def files_read(
    graph: ModuleGraph,
    uses: Sequence[tuple[str, SourceUse]],
    *,
    entries: Listing,
    source_of: Callable[[ModuleNode], bytes],
    distributions: Distributions,
    seen: Collection[str] = (),
    located: Collection[str] = (),
    installed_files: Sequence[str] = (),
) -> FilesRead:
    """The files that the interned modules of `graph` read.

    `uses` are the places in their sources that use their own path. `seen` are paths of files that were
    read while the code ran, relative to the entries of the search path, with ``/``; `located` are
    modules whose source was looked for on disk meanwhile. Where the code reads the metadata of
    distributions, those of its own are among the files, and so is what `installed_files`, globs, match.
    Data files of the workspace are not among `data`: targets declare those.
    """
    if not (uses or seen or located or installed_files):
        return FilesRead(data=dict(sorted(_metadata(graph, entries, distributions))))
    tops: dict[str, list[ModuleNode]] = {}
    stubs = {_stub(graph.nodes[name]) for name, use in uses if use.name == "__file__"}
    for node in graph.with_policy(Policy.INTERN):
        tops.setdefault(top_of(node.name), []).append(node)
    places = [_place(name, use) for name, use in uses]
    real = {top for top, place in places if place in _REAL_PATHS} | {top_of(name) for name in located}
    asking: dict[str, set[str]] = {}
    for (name, _), (top, place) in zip(uses, places, strict=True):
        if place in _PLACES:
            asking.setdefault(top, set()).add(name)
    seen = frozenset(seen)
    chosen = ChosenFiles(installed_files)
    data = dict(_metadata(graph, entries, distributions))
    loading: list[Location] = []
    libraries: list[str] = []
    own: list[str] = []
    searched, read = set[str](), set[str]()
    modules = {record_of_module(name, False).removesuffix(".py") for name in graph.nodes}
    for top, nodes in tops.items():
        is_seen = chosen.reaches(top) or any(name.startswith(f"{top}/") for name in seen)
        if top not in asking and not is_seen:
            continue
        hints: _Hints | None = None
        if top in asking:
            # The names of files may stand in the code that asks, or elsewhere in its library.
            others = [graph.nodes[name] for name in sorted(asking[top]) if top_of(name) != top]
            hints = _Hints([*nodes, *others], source_of, entries)
        folders = _Folders(entries, hints, (*seen, *chosen.folders))
        if hints is not None:
            of_workspace = _candidates(nodes, folders, Origin.WORKSPACE)
            own += [record for record, _ in of_workspace if record in seen or hints.name_exactly(record)]
        candidates = dict(_candidates(nodes, folders, Origin.ENVIRONMENT))
        for record, path in candidates.items():
            if record in seen:
                real.add(top)
                data[record] = path
            elif record.partition(".")[0] not in modules and chosen.takes(record):
                data[record] = path
            elif record.endswith(".pyi"):
                if record in stubs:
                    data[record] = path
            elif is_library(record):
                # One that an import statement loads is a module, for which the policy decides.
                if hints is not None and record.partition(".")[0] not in modules:
                    if names_library(hints.text, record):
                        data[record] = path
                    elif loads_libraries(hints.text):
                        libraries.append(record)
                        loading += hints.loading()
            elif hints is not None and hints.name(record):
                data[record] = path
        if hints is not None:
            (read if hints.any_text_counts else searched).update(hints.paths_read())
        _add_what_data_names(data, candidates)
    data.update(chosen.beside(graph, entries))
    _add_what_libraries_need(data, entries)
    real = (real & tops.keys()) | {top_of(record.partition("/")[0]) for record in data if is_library(record)}
    return FilesRead(
        real=tuple(sorted(real)),
        data=dict(sorted(data.items())),
        libraries=tuple(sorted(record for record in libraries if record not in data)),
        loading=tuple(dict.fromkeys(loading)),
        own=tuple(sorted(own)),
        searched=frozenset(searched - read),
        read=frozenset(read),
        unmatched=chosen.unmatched,
    )


def _add_what_libraries_need(data: dict[str, str], entries: Listing) -> None:
    """Add the libraries that those among `data` need."""
    unread = [(record, path) for record, path in data.items() if is_library(record)]
    while unread:
        for record, path in needed_libraries(*unread.pop(), entries):
            if record not in data:
                data[record] = path
                unread.append((record, path))


def _add_what_data_names(data: dict[str, str], candidates: Mapping[str, str]) -> None:
    """Add the candidates that a text among `data` names, as templates and configurations name others."""
    unread = [path for record, path in candidates.items() if record in data]
    rest = {record: path for record, path in candidates.items() if record not in data}
    while unread and rest:
        text = _text(unread.pop())
        named = [record for record in rest if text and os.path.basename(record).encode() in text]
        for record in named:
            data[record] = rest.pop(record)
            unread.append(data[record])


def _text(path: str) -> bytes:
    """The bytes of a text file; none where it is large, binary, or gone."""
    try:
        data = read_limited(path, _LARGEST_TEXT)
    except OSError:
        return b""
    return b"" if b"\0" in data else data


def _place(module: str, use: SourceUse) -> tuple[str, str]:
    """The top-level module whose place the code of `module` uses, and the word that gives it."""
    owner, _, word = use.name.rpartition(".")
    return (top_of(owner), word) if owner and word in _REAL_PATHS else (top_of(module), use.name)


def _metadata(
    graph: ModuleGraph, entries: Listing, distributions: Distributions
) -> Iterator[tuple[str, str]]:
    """The metadata of distributions with interned modules, where one of these imports their reader.

    A module without a file does not come from an installed distribution.
    """
    read = [name for name in _METADATA_READERS if name in graph.nodes]
    readers = [edge.source for name in read for edge in graph.importers_of(name)]
    interned = {node.name: node for node in graph.with_policy(Policy.INTERN)}
    if not any(reader in interned for reader in readers):
        return
    for name in sorted({node.distribution for node in interned.values() if node.path} - {""}):
        distribution = distributions.named(name)
        folder = distribution.metadata if distribution is not None else ""
        listing = entries(folder) if folder else None
        for file in _METADATA_FILES:
            if (listing or {}).get(file) is False:
                yield f"{os.path.basename(folder)}/{file}", os.path.join(folder, file)


def all_tops(graph: ModuleGraph) -> tuple[str, ...]:
    """The top-level modules that packed code lies in, sorted."""
    return tuple(sorted({top_of(node.name) for node in graph.with_policy(Policy.INTERN)}))


def _candidates(nodes: Sequence[ModuleNode], folders: _Folders, origin: Origin) -> Iterator[tuple[str, str]]:
    """The data files in the folders of interned modules of `origin`, and in folders below that hold data."""
    tops: dict[str, str] = {}
    for node in nodes:
        if node.kind in _WITH_SOURCE and node.origin is origin and node.path:
            folder = os.path.dirname(node.path)
            record = folder_of_module(node.name, node.is_package)
            # A loader may have a module's file somewhere else.
            if record and os.path.basename(record) == os.path.basename(folder):
                tops.setdefault(record, folder)
    for record, folder in tops.items():
        yield from folders.data_below(record, folder, (os.path.realpath(folder),))


def _is_data_package(node: ModuleNode, entries: Listing) -> bool:
    """Whether a package has no module but itself: its name means its files."""
    if not node.is_package or not node.path:
        return False
    folder = os.path.dirname(node.path) if node.kind is ModuleKind.PACKAGE else node.path
    return not any(
        "__init__.py" in (entries(os.path.join(folder, name)) or {})
        if is_folder
        else (name.endswith(_NEVER_DATA) or is_library(name)) and name != "__init__.py"
        for name, is_folder in (entries(folder) or {}).items()
    )


class _Folders:
    """Folders of a library, in which data files lie.

    A package that is not packed counts as one where the code names it, or a file in it was `seen` to be
    read; all others are none of a library's business.
    """

    def __init__(self, entries: Listing, hints: _Hints | None, seen: Collection[str]) -> None:
        self._entries = entries
        self._hints = hints
        self._seen_in = {folder for record in seen for folder in _folders_above(record)}

    def data_below(self, record: str, folder: str, around: tuple[str, ...]) -> Iterator[tuple[str, str]]:
        """The data files in a folder that lies in `around`, real paths, its own last: links may lead back."""
        for name, is_folder in (self._entries(folder) or {}).items():
            path = os.path.join(folder, name)
            if problem_with_name(name):
                continue  # No record can have it.
            if not is_folder:
                if not name.endswith(_NEVER_DATA) and name != "py.typed":
                    yield f"{record}/{name}", path
            elif self._holds_data(f"{record}/{name}", path):
                real = os.path.realpath(path) if os.path.islink(path) else os.path.join(around[-1], name)
                if real not in around:
                    yield from self.data_below(f"{record}/{name}", path, (*around, real))

    def _holds_data(self, record: str, path: str) -> bool:
        if "__init__.py" not in (self._entries(path) or {}) or record in self._seen_in:
            return True
        return self._hints is not None and self._hints.names_folder(record)


def _folders_above(record: str) -> Iterator[str]:
    """The folders that a record lies in, the nearest first."""
    while "/" in record:
        record = record.rpartition("/")[0]
        yield record


def _stub(node: ModuleNode) -> str:
    """The record of a module's stub, from which one that hands out its ``__file__`` may have it read."""
    return record_of_module(node.name, node.is_package) + "i"


class _Hints:
    """The names of files in the sources of some modules."""

    def __init__(
        self, nodes: Sequence[ModuleNode], source_of: Callable[[ModuleNode], bytes], entries: Listing
    ) -> None:
        self.any_text_counts = False
        """Whether more of a source was asked for than what `quoted_names` gives."""
        self._nodes = [node for node in nodes if node.kind in _WITH_SOURCE]
        self._source_of = source_of
        code = [node for node in nodes if not _is_data_package(node, entries)]
        self._packages = {folder_of_module(node.name, node.is_package) for node in code}

    @property
    def text(self) -> bytes:
        """The sources, one after the other."""
        self.any_text_counts = True
        return self._text

    @cached_property
    def _text(self) -> bytes:
        return b"\n".join(self._source_of(node) for node in self._nodes)

    def paths_read(self) -> Iterator[str]:
        """The paths of the sources, if one was read."""
        if "_text" in self.__dict__:
            yield from (node.path for node in self._nodes if node.path)

    def loading(self) -> Iterator[Location]:
        """The first places in the sources where shared libraries are loaded, one a module."""
        for node in self._nodes:
            line, column = place_of_loading(self._source_of(node))
            if line:
                yield Location(record_of_module(node.name, node.is_package), line, column)

    @cached_property
    def _folder_names(self) -> frozenset[bytes]:
        """All names of the text that can be those of folders: in quotes, or a part of a path."""
        return frozenset(_FOLDER_NAMES.findall(self._text))

    def name(self, record: str) -> bool:
        """Whether the text names the file of a record, its folder, or its suffix by itself."""
        return os.path.basename(record).encode() in self.text or self._names_kind(record)

    def name_exactly(self, record: str) -> bool:
        """As `name`, where the file is named by no more than the whole of a text, or the end of a path."""
        file = re.escape(os.path.basename(record).encode())
        return self._finds(rb"""["'/]""" + file + rb"""["']""") or self._names_kind(record)

    def _names_kind(self, record: str) -> bool:
        """Whether the text names the folder of a record, or its suffix by itself."""
        file = os.path.basename(record)
        suffix = os.path.splitext(file)[1]
        if suffix and self._finds(rb"""[*}"']""" + re.escape(suffix.encode()) + rb"""["']"""):
            return True
        return any(self.names_folder(folder) for folder in _folders_above(record))

    def names_folder(self, record: str) -> bool:
        """Whether the text names a folder that is not packed as a package, by its path or as one."""
        if record in self._packages:
            return False
        return os.path.basename(record).encode() in self._folder_names

    def _finds(self, pattern: bytes) -> bool:
        """Whether the text has what is between two of the marks that `quoted_names` knows."""
        return re.search(pattern, self._text) is not None
