"""The state of one package's modules: their records, their names, and which of them are loaded.

Every packaged module is in ``sys.modules`` under its mangled name, so that importlib itself (its
locks, circular imports, reload) and everything that looks up ``sys.modules[cls.__module__]`` works
on it. The files beside this one find, load and import modules; they know this one, and
PackageImporter puts them together.
"""

from __future__ import annotations

import builtins
import functools
import importlib.util
import os
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import CodeType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, Protocol

from hermpkg_build.errors import ArchiveError
from hermpkg_build.runtime.contents.archives import Archive, content_number
from hermpkg_build.runtime.contents.code_cache import CodeCache
from hermpkg_build.runtime.contents.location import ArtifactLocation, file_state
from hermpkg_build.runtime.contents.real_files import RealFiles
from hermpkg_build.runtime.importing.host_tables import Overloads
from hermpkg_build.runtime.importing.module_views import HostViews, Overrides
from hermpkg_build.runtime.importing.roles import ModuleRole, ModuleTree
from hermpkg_build.runtime.mangling import mangle_prefix, new_prefix

if TYPE_CHECKING:
    from hermpkg_build.runtime.contents.location import FileState

IMPORTER_MODULE = "torch_package_importer"
"""The name that packaged code imports to get its importer."""

JUST_THE_MODULE = ("__name__",)
"""A `fromlist` with which ``__import__`` returns the module itself rather than its top-level package."""

OPEN_SPACES: weakref.WeakValueDictionary[str, ModuleSpace] = weakref.WeakValueDictionary()
"""The spaces whose modules this process can import, by prefix."""
CLOSED_ARTIFACTS: dict[str, str] = {}
"""The artifact, closed since, that a module was loaded from last, by the plain name of the module."""


class SpecMaker(Protocol):
    """Makes the specs of a package's modules, as their loader does."""

    def find_spec(self, fullname: str) -> ModuleSpec | None:
        """Make the spec of the module with the mangled name `fullname`, None where there is none."""

    def spec_of_file(self, name: str, path: str, record: str) -> ModuleSpec:
        """Make the spec of a module with any plain name that runs `record`, whose path is `path`."""


class ModuleSpace:
    """The modules of one package, that is, of one artifact that one importer has opened.

    `tree` tells the role of each name. ``import torch_package_importer`` gives `importer`;
    `module_allowed` is asked for language modules that the artifact does not list; `files` knows which
    modules see real paths, `location` where another process finds the artifact. `loader`,
    `import_statement` and `overrides` are the behaviour on top of this state: they make the importlib
    loader of the modules, the ``__import__`` that their code calls, and, by host module, the attributes
    that it sees in place of the host's. `prepare` is called with each module of the host that it imports.
    """

    def __init__(
        self,
        *,
        archive: Archive,
        tree: ModuleTree,
        importer: Any,
        module_allowed: Callable[[str], bool],
        files: RealFiles,
        location: ArtifactLocation,
        loader: Callable[[ModuleSpace], SpecMaker],
        import_statement: Callable[..., Any],
        overrides: Mapping[str, Callable[[ModuleSpace, ModuleType], Overrides]],
        prepare: Callable[[ModuleType], None],
    ) -> None:
        number = content_number(archive)
        self.prefix: str = new_prefix(number)
        while self.prefix in OPEN_SPACES:  # An artifact that was opened for another process may have it.
            self.prefix = new_prefix(number)
        self.archive = archive
        self.tree = tree
        self.importer = importer
        self.module_allowed = module_allowed
        self.files = files
        self.location = location
        self.registered: set[str] = set()
        """The mangled names of modules that are in ``sys.modules``, or were."""
        self.imported_externs: dict[str, ModuleType] = {}
        self.kept_alive: list[object] = []
        """Objects that tables of the process hold weakly, so that they are freed with the package."""
        self.parked: dict[str, ModuleType] = {}
        """The modules themselves while stand-ins take their places: see parking."""
        self.parked_overloads: Overloads = []
        self.loader: SpecMaker = loader(self)
        self.views: HostViews = HostViews(
            {name: functools.partial(make, self) for name, make in overrides.items()}
        )
        self.builtins: dict[str, Any] = {**vars(builtins), "__import__": MethodType(import_statement, self)}
        self._code = CodeCache()
        self._prepare = prepare

    @property
    def is_open(self) -> bool:
        """Whether modules can still be imported: the importer is not closed."""
        return OPEN_SPACES.get(self.prefix) is self

    def mangle(self, name: str) -> str:
        """Give the name in ``sys.modules`` of the packaged module `name`."""
        return f"{self.prefix}.{name}"

    def plain(self, name: str) -> str:
        """Give `name` without this space's prefix; names of other spaces stay as they are."""
        return name[len(self.prefix) + 1 :] if name.startswith(f"{self.prefix}.") else name

    def path(self, record: str) -> str:
        """Give the ``__file__`` of a record or the ``__path__`` of a folder: a real or a mangled path."""
        if self.files.covers(record):
            return self.files.path(record)
        return f"{self.prefix}.{record}" if record else self.prefix

    def name_at(self, path: str) -> str | None:
        """Give the record or folder at a `path`; None for a path outside of the artifact."""
        if path == self.prefix:
            return ""
        start = f"{self.prefix}."
        if not path.startswith(start):
            return self.files.name_at(path)
        # Code joins paths with what the system has between folders.
        return path[len(start) :].replace(os.sep, "/")

    def record_at(self, path: str) -> str | None:
        """Give the record at a mangled or real path, None where there is none."""
        record = self.name_at(path)
        return record if record and self.archive.has(record) else None

    def source_text(self, name: str) -> str | None:
        """Read the source of the packaged module `name`, decoded by its coding line; None without one.

        Raises ImportError where it cannot be read or decoded, which tracebacks and inspect expect.
        """
        if self.tree.role(name) is not ModuleRole.SOURCE:
            return None
        try:
            return importlib.util.decode_source(self.archive.read(self.tree.source_record(name)))
        except (ArchiveError, SyntaxError, UnicodeError) as error:
            raise ImportError(f"the source of {name} cannot be read: {error}", name=name) from error

    def compile_record(self, record: str, mangled: str) -> CodeType:
        """Compile a record for the module with the name `mangled`. Raises SyntaxError."""
        source = self.archive.read(record)
        self.views.note_source(mangled, source)
        return self._code.compile(source, self.path(record))

    def import_extern(self, name: str, fromlist: Sequence[str] | None = ()) -> ModuleType:
        """Import the environment's module `name`, as host code gets it."""
        module: ModuleType = builtins.__import__(name, None, None, fromlist or JUST_THE_MODULE, 0)
        self.imported_externs[name] = module
        self._prepare(module)
        return module


_reopened: dict[str, Any] = {}
"""The importers that objects from other processes needed here, by the prefix that they have there."""
_reopening = threading.Lock()


def reopen(name: str, state: FileState, open_again: Callable[[str, FileState], Any]) -> None:
    """Open the artifact of `name`, a packaged module in another process, unless it is open.

    `open_again` makes an importer for a prefix. Raises ImportError where the file is gone or has changed.
    """
    prefix = mangle_prefix(name)
    with _reopening:
        if prefix not in OPEN_SPACES:
            _check_same(state)
            _reopened[prefix] = open_again(prefix, state)


def _check_same(state: FileState) -> None:
    path, _, _, files, trust, checks_reads = state
    try:
        is_same = file_state(path, files, trust, checks_reads) == state
    except OSError as error:
        raise ImportError(f"the artifact {path} cannot be opened here: {error.strerror}") from error
    if not is_same:
        raise ImportError(f"the artifact {path} was changed since the object was pickled")
