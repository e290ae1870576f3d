"""Finds the file that Python would import for a module name, without importing anything."""

from __future__ import annotations

import _imp
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from importlib.machinery import EXTENSION_SUFFIXES
from typing import TYPE_CHECKING

from hermpkg_build.analysis.distributions import Distributions
from hermpkg_build.analysis.search_path import Folder, SearchPath, read_search_path
from hermpkg_build.analysis.zip_folders import zip_listings
from hermpkg_build.core.folders import BUILD_NAMES
from hermpkg_build.core.label import Label
from hermpkg_build.core.module_names import (
    is_module_name,
    package_of_init,
    parent_of,
    parents_of,
    record_of_module,
    top_of,
)
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.core.target import DeclaredModule
from hermpkg_build.dataclass import dataclass, field, replace

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree

# The order in which the import system tries the files of one folder.
_SUFFIXES = (
    *((suffix, ModuleKind.EXTENSION) for suffix in EXTENSION_SUFFIXES),
    (".py", ModuleKind.SOURCE),
    (".pyc", ModuleKind.BYTECODE),
)

_PATH_EXTENDERS = (b"extend_path", b"declare_namespace")
"""The functions of pkgutil and pkg_resources by which packages of one name in several folders become one."""

_BUILTIN = frozenset(sys.builtin_module_names)

# Entries that the standard library puts into sys.modules below other modules, without a file of the name.
_ALIASES = frozenset(
    {
        "os.path",
        *(f"{parser}.{name}" for parser in ("pyexpat", "xml.parsers.expat") for name in ("errors", "model")),
        *(("collections.abc",) if sys.version_info >= (3, 14) else ()),
        *(("sys.monitoring",) if sys.version_info >= (3, 12) else ()),
        *(("typing.io", "typing.re") if sys.version_info < (3, 13) else ()),
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSource:
    """A module and where it comes from.

    `path` is the absolute path of its file ("" if there is none; for a namespace package the
    first of its folders). `shown` is the path that messages and graphs show: relative to the
    workspace, or to the search path entry the module lies under. `archive` is the ZIP file that
    holds the module, "" for none. `distribution` is the normalised name of the installed
    distribution that owns it, `label` that of a workspace module's target. `data` is its source where
    that is not the file at `path`.
    """

    name: str
    kind: ModuleKind
    origin: Origin
    path: str = ""
    shown: str = ""
    archive: str = ""
    distribution: str = ""
    label: Label | None = None
    data: bytes | None = field(default=None, repr=False)

    @property
    def is_made_by_code(self) -> bool:
        """Whether some module's code put it into ``sys.modules``, or answers for it with a finder."""
        return self.kind is ModuleKind.BUILTIN and self.origin is Origin.ENVIRONMENT


class ModuleFinder:
    """Finds modules as the interpreter would, with the modules of the target put first.

    In order: generated modules, the workspace modules handed in (and no other file of the
    workspace), then what Python does: built-in and frozen modules, the search path with
    namespace packages (PEP 420), editable installs. A folder of the workspace modules without
    ``__init__.py`` is a namespace package; an installed regular package of that name does not
    hide it, so that what happens to be installed never changes whose code a target packs.

    `given` are the sources of `workspace_modules`, and the namespace packages that they lie in, where these
    are known by name already.
    `generated` are source texts by dotted name, with ``.__init__`` at the end for packages.
    `declared_by` names the target that lists a workspace file (a path relative to the root), for messages.
    `aliases` are the other names under which modules were seen in ``sys.modules``, each with its own.
    `beside` is a finder of the same tree and search path, whose knowledge of installed modules is shared.
    `build_names` are those of BUILD files, for messages.
    """

    def __init__(
        self,
        *,
        tree: SourceTree,
        workspace_modules: Sequence[DeclaredModule] = (),
        workspace_root: str,
        search_path: Sequence[str],
        given: Mapping[str, ModuleSource] | None = None,
        generated: Mapping[str, str] | None = None,
        source_roots: Sequence[str] = ("",),
        declared_by: Callable[[str], Label | None] | None = None,
        aliases: Mapping[str, str] | None = None,
        beside: ModuleFinder | None = None,
        build_names: Sequence[str] = BUILD_NAMES,
    ) -> None:
        self.tree = tree
        self.build_names = build_names
        self.workspace_root = workspace_root
        self.source_roots: tuple[str, ...] = tuple(source_roots)
        self.declared_by = declared_by
        self._aliases = aliases or {}
        self.search_path: SearchPath
        self.distributions: Distributions
        if beside is None:
            self.search_path = read_search_path(tree, search_path, workspace_root=workspace_root)
            self.distributions = Distributions([f.directory for f in self.search_path.folders], tree)
        else:
            self.search_path, self.distributions = beside.search_path, beside.distributions
        patches = _generated_sources(generated or {})
        if given is None:
            own = _workspace_sources(workspace_modules, workspace_root)
            given = {**own, **namespaces_above(own.values(), workspace_root)}
        self._given = {**given, **patches} if patches else given
        self._implied = namespaces_above(patches.values(), workspace_root)
        self._found: dict[str, ModuleSource | None] = {}
        self._children: dict[str, tuple[str, ...]] = {}
        self._folders: dict[str, tuple[Folder, ...]] = {}
        self._extensions: dict[str, tuple[Folder, ...]] = {}
        self._listings: dict[str, Mapping[str, bool]] = {} if beside is None else beside._listings
        self._archives: dict[str, str] = {} if beside is None else beside._archives

    def find(self, name: str) -> ModuleSource | None:
        """The module that `name` names, or None. Names match case-sensitively."""
        try:
            return self._found[name]
        except KeyError:
            found = self._given.get(name)
            if found is None and is_module_name(name):
                found = self._init_as_module(name) or self._search(name)[0] or self._implied.get(name)
            self._found[name] = found
            return found

    def submodules(self, name: str) -> Sequence[str]:
        """The direct submodules of `name` ("" for the top level) as dotted names, sorted."""
        if name in self._children:
            return self._children[name]
        prefix = f"{name}." if name else ""
        names = {given for given in (*self._given, *self._implied) if parent_of(given) == name}
        for folder in (*self._folders_of(name), *self._extension_of(name)):
            for entry, is_directory in self._listing(folder).items():
                stem = entry if is_directory else _module_stem(entry)
                if stem.isidentifier() and stem != "__init__":
                    names.add(prefix + stem)
        return self._children.setdefault(name, tuple(sorted(names)))

    def undeclared_file(self, name: str) -> str | None:
        """The workspace file, relative to the root, that would be the module `name` if a target listed it.

        That counts from a source root or, after all of these, from a folder of `missing_roots`.
        """
        for root in (*self.source_roots, *self.missing_roots):
            for is_package in (True, False):
                path = f"{root}/{record_of_module(name, is_package)}".lstrip("/")
                if self.tree.is_file(os.path.join(self.workspace_root, *path.split("/"))):
                    return path
        return None

    @cached_property
    def missing_roots(self) -> tuple[str, ...]:
        """The folders of the workspace that Python would search and that are no source roots."""
        top = os.path.realpath(self.workspace_root)
        own = (os.path.relpath(os.path.realpath(path), top) for path in self.search_path.own)
        found = ("" if path == os.curdir else path.replace(os.sep, "/") for path in own)
        return tuple(dict.fromkeys(path for path in found if path not in self.source_roots))

    def registered(self, name: str) -> ModuleSource | None:
        """The module `name` where code of its package puts it into ``sys.modules``, or was seen to."""
        if (source := self.find(self._aliases.get(name, ""))) is not None:
            return source
        package, _, tail = name.rpartition(".")
        above = self.find(package) if package else None
        if above is None or above.kind is not ModuleKind.PACKAGE or above.archive:
            return None
        text = above.data if above.data is not None else self.tree.read(above.path)
        if tail.encode() not in text:
            return None  # Sooner said than by an expression, which is compiled for each name.
        written = rb"""f?["'](?:%s|\{__name__\}\.%s)["']|__name__\s*\+\s*["']\.%s["']""" % (
            re.escape(name.encode()),
            *[re.escape(tail.encode())] * 2,
        )
        if re.search(rb"\bmodules(?:\[|\.setdefault\()\s*(?:" + written + rb")\s*[\],]", text) is None:
            return None
        return ModuleSource(name=name, kind=ModuleKind.BUILTIN, origin=Origin.ENVIRONMENT)

    def hooks_for(self, top: str) -> list[str]:
        """The ``.pth`` files that run code which may add the top-level module `top` when Python starts."""
        return [
            os.path.basename(path)
            for path in self.search_path.startup_code
            if top in os.path.basename(path) or top.encode() in self.tree.read(path)
        ]

    def undeclared_submodules(self, package: str) -> list[str]:
        """The modules that workspace files in the folder of `package` would be if targets listed them."""
        found = set()
        for root in self.source_roots:
            folder = os.path.join(self.workspace_root, *root.split("/"), *package.split("."))
            for entry, is_folder in (self.tree.entries(folder) or {}).items():
                stem = entry if is_folder else entry.removesuffix(".py")
                name = f"{package}.{stem}"
                if stem.isidentifier() and stem != "__init__" and (is_folder or entry.endswith(".py")):
                    found.add(name)
        return sorted(name for name in found if self.find(name) is None and self.undeclared_file(name))

    def _init_as_module(self, name: str) -> ModuleSource | None:
        """The source of a package that was handed in, as the plain module ``package.__init__``."""
        package = self._given.get(package_of_init(name) or "")
        is_there = package is not None and package.kind is ModuleKind.PACKAGE and package.path
        return replace(package, name=name, kind=ModuleKind.SOURCE) if package and is_there else None

    def _search(self, name: str) -> tuple[ModuleSource | None, tuple[Folder, ...]]:
        """The module `name` of the environment, and the folders of its submodules."""
        parent, _, tail = name.rpartition(".")
        if not parent and (name in _BUILTIN or name == "__main__"):
            return _builtin(name), ()
        folders = self._folders_of(parent)
        if not parent and _imp.is_frozen(name):
            # Frozen modules come before the path; their sources are those of the standard library.
            folders = tuple(folder for folder in folders if folder.origin is Origin.STDLIB)
        found = self._in_folders(name, tail, folders) or self._in_editable(name)
        if found is None and parent:
            found = self._in_folders(name, tail, self._extension_of(parent))
        if found is not None:
            return found
        return (_builtin(name) if self._is_absent_stdlib(name) else None), ()

    def _extension_of(self, package: str) -> tuple[Folder, ...]:
        """The folders that a package with a source adds to its own, by `pkgutil.extend_path` say.

        Python adds every folder of the package's name that it finds where it looked for the package.
        """
        for each in reversed([package, *parents_of(package)]):
            if each not in self._extensions:
                self._extensions[each] = self._find_extension(each)
        return self._extensions[package]

    def _find_extension(self, package: str) -> tuple[Folder, ...]:
        above, _, tail = package.rpartition(".")
        own = self._folders_of(package)
        around = (*self._folders_of(above), *self._extensions.get(above, ()))
        found = [_below(folder, tail) for folder in around if self._listing(folder).get(tail) is True]
        found = [folder for folder in found if folder not in own]
        # Few packages have any, so that few sources are read here.
        source = self.find(package) if found else None
        return tuple(found) if source is not None and self._extends_its_path(source) else ()

    def _extends_its_path(self, source: ModuleSource) -> bool:
        if source.kind is not ModuleKind.PACKAGE or source.archive or not (source.path or source.data):
            return False
        data = self.tree.read(source.path) if source.data is None else source.data
        return any(function in data for function in _PATH_EXTENDERS)

    def _in_folders(
        self, name: str, tail: str, folders: Sequence[Folder]
    ) -> tuple[ModuleSource, tuple[Folder, ...]] | None:
        """The first folder with a package or module of that name decides, as PEP 420 says.

        Where there is none, the folders of that name make a namespace package together.
        """
        portions: list[Folder] = []
        for folder in folders:
            listing = self._listing(folder)
            if listing.get(tail) is True:
                inside = _below(folder, tail)
                within = self._listing(inside)
                for suffix, kind in _SUFFIXES:
                    if within.get("__init__" + suffix) is False:
                        package = ModuleKind.PACKAGE if kind is ModuleKind.SOURCE else kind
                        return self._source(name, package, inside, "__init__" + suffix), (inside,)
                portions.append(inside)
            for suffix, kind in _SUFFIXES:
                if listing.get(tail + suffix) is False:
                    return self._source(name, kind, folder, tail + suffix), ()
        portions += [
            Folder(path, os.path.dirname(path), os.path.basename(path), Origin.ENVIRONMENT)
            for path in self.search_path.namespaces.get(name, ())
        ]
        if not portions and name not in self.search_path.namespaces:
            return None
        return self._namespace(name, portions), tuple(portions)

    def _in_editable(self, name: str) -> tuple[ModuleSource, tuple[Folder, ...]] | None:
        """The module `name` by the finders of editable installs, which come after the path."""
        if (path := self.search_path.mapping.get(name)) is None:
            return None
        head, tail = os.path.split(path)
        found = self._in_folders(name, tail, [Folder(head, head, "", Origin.ENVIRONMENT)])
        return found if found and found[0].kind is not ModuleKind.NAMESPACE else None

    def _is_absent_stdlib(self, name: str) -> bool:
        """Whether `name` is of the standard library without a file here: frozen, or of another platform."""
        top = top_of(name)
        if name in _ALIASES or _imp.is_frozen(name):
            return True
        if top not in sys.stdlib_module_names or top in self._given:
            return False
        above = self.find(top) if top != name else None
        return above is None or (above.origin is Origin.STDLIB and not above.path and top not in _BUILTIN)

    def _source(self, name: str, kind: ModuleKind, folder: Folder, file: str) -> ModuleSource:
        shown = f"{folder.shown}/{file}" if folder.shown else file
        return ModuleSource(
            name=name,
            kind=kind,
            origin=folder.origin,
            path=os.path.join(folder.directory, file),
            shown=shown,
            archive=self._archives.get(folder.entry, ""),
            distribution=self._distribution(folder, shown),
        )

    def _namespace(self, name: str, portions: Sequence[Folder]) -> ModuleSource:
        first = portions[0] if portions else Folder("", "", "", Origin.ENVIRONMENT)
        return ModuleSource(
            name=name, kind=ModuleKind.NAMESPACE, origin=first.origin, path=first.directory, shown=first.shown
        )

    def _distribution(self, folder: Folder, shown: str) -> str:
        if folder.origin is Origin.STDLIB:
            return ""
        owner = self.distributions.owner_in(folder.entry, shown)
        return owner.name if owner else ""

    def _folders_of(self, name: str) -> tuple[Folder, ...]:
        """The folders outside the workspace whose entries are submodules of `name`."""
        try:
            return self._folders[name]
        except KeyError:
            # From the top down: a name of a thousand parts must not need a thousand nested calls.
            for package in reversed([name, *parents_of(name), ""]):
                if package not in self._folders:
                    self._folders[package] = self._find_folders(package)
            return self._folders[name]

    def _find_folders(self, name: str) -> tuple[Folder, ...]:
        given = self._given.get(name)
        if not name:
            return self.search_path.folders
        if given is None:
            return self._search(name)[1]
        if given.kind is not ModuleKind.NAMESPACE:
            return ()
        found, folders = self._search(name)
        return folders if found and found.kind is ModuleKind.NAMESPACE else ()

    def _listing(self, folder: Folder) -> Mapping[str, bool]:
        directory = folder.directory
        try:
            return self._listings[directory]
        except KeyError:
            listing = self.tree.entries(directory)
            if listing is None and directory == folder.entry and self.tree.is_file(directory):
                self._archives[directory] = directory
                self._listings.update(zip_listings(directory, self.tree.read(directory)))
            return self._listings.setdefault(directory, listing or {})


def _below(folder: Folder, name: str) -> Folder:
    shown = f"{folder.shown}/{name}" if folder.shown else name
    return Folder(os.path.join(folder.directory, name), folder.entry, shown, folder.origin)


def _builtin(name: str) -> ModuleSource:
    return ModuleSource(name=name, kind=ModuleKind.BUILTIN, origin=Origin.STDLIB)


def _module_stem(file: str) -> str:
    return next((file[: -len(suffix)] for suffix, _ in _SUFFIXES if file.endswith(suffix)), "")


def _workspace_sources(targets: Sequence[DeclaredModule], root: str) -> dict[str, ModuleSource]:
    sources: dict[str, ModuleSource] = {}
    for target in targets:
        earlier = sources.get(target.module)
        if earlier is None or (target.is_package and earlier.kind is not ModuleKind.PACKAGE):
            sources[target.module] = declared_module(target, root)
    return sources


def declared_module(target: DeclaredModule, root: str) -> ModuleSource:
    """The module of a target, whose source is a file of the workspace at `root`."""
    return ModuleSource(
        name=target.module,
        kind=ModuleKind.PACKAGE if target.is_package else ModuleKind.SOURCE,
        origin=Origin.WORKSPACE,
        path=os.path.join(root, target.path if os.sep == "/" else target.path.replace("/", os.sep)),
        shown=target.path,
        label=target.label,
    )


def generated_module(name: str, data: bytes, *, is_package: bool) -> ModuleSource:
    """The module `name` with a source that is in no file."""
    return ModuleSource(
        name=name,
        kind=ModuleKind.PACKAGE if is_package else ModuleKind.SOURCE,
        origin=Origin.GENERATED,
        shown=record_of_module(name, is_package),
        data=data,
    )


def _generated_sources(texts: Mapping[str, str]) -> dict[str, ModuleSource]:
    sources: dict[str, ModuleSource] = {}
    for given, text in sorted(texts.items()):
        name = package_of_init(given) or given
        sources[name] = generated_module(name, text.encode(), is_package=name != given)
    return sources


def namespaces_above(sources: Iterable[ModuleSource], root: str) -> dict[str, ModuleSource]:
    """The parents of `sources` that none of them defines: namespace packages of the same origin."""
    defined = {source.name for source in sources}
    namespaces: dict[str, ModuleSource] = {}
    for source in sources:
        child = source
        for name in parents_of(source.name):
            if name in defined or name in namespaces:
                break
            # The file of a package lies inside its folder, one deeper than that of a module.
            up = 2 if child.kind is ModuleKind.PACKAGE else 1
            folder = "/".join(child.shown.split("/")[:-up])
            path = os.path.join(root, *folder.split("/")) if source.origin is Origin.WORKSPACE else ""
            child = ModuleSource(
                name=name, kind=ModuleKind.NAMESPACE, origin=source.origin, path=path, shown=folder
            )
            namespaces[name] = child
    return namespaces
