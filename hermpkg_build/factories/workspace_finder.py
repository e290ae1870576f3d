"""Finds the modules that a factory may import: those that its target names, and the environment's."""

from __future__ import annotations

import importlib.machinery
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property, partial
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import spec_from_file_location
from typing import Any, Protocol, TypeAlias

from hermpkg_build.core.module_names import ModuleName, package_of_init, parents_of
from hermpkg_build.core.source_roots import advice_on_root
from hermpkg_build.core.sourceless import SUFFIXES, advice_on_sourceless
from hermpkg_build.factories.places import Place, Places

_OURS = os.path.dirname(__file__)
_line_of: Callable[[types.FrameType], int] = vars(types.FrameType)["f_lineno"].__get__
"""Reads the line of a frame unseen by observers of the factory's own code."""
_MACHINERY = frozenset(
    {_OURS, os.path.join(os.path.dirname(_OURS), "pickles"), os.path.dirname(importlib.machinery.__file__)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportSite:
    """The place of an import, and whether it is in a function; all fields are empty for the worker's own."""

    module: str = ""
    path: str = ""
    line: int = 0
    in_function: bool = False


class UndeclaredModuleError(ImportError):
    """A module of the workspace that the target's deps do not reach.

    Not a ModuleNotFoundError, which ``from package import module`` would take for a missing
    attribute of the package. Where no deps could reach the file, `reason` says why, and `advice` what to do.
    """

    def __init__(self, name: str, found: str, site: ImportSite, reason: str = "", advice: str = "") -> None:
        super().__init__(f"the module {name} ({found}) is not among the deps of the target", name=name)
        self.found = found
        self.site = site
        self.reason = reason
        self.advice = advice


Prepared: TypeAlias = Callable[[Callable[[], types.CodeType]], types.CodeType]
"""Makes the code of a module that is run, by a function that compiles it."""


def _as_it_is(compiled: Callable[[], types.CodeType]) -> types.CodeType:
    return compiled()


class FreshSourceLoader(SourceFileLoader):
    """Compiles a module from its source each time: a stale ``.pyc`` must not speak for it.

    What is run is what `prepared` makes of it.
    """

    def __init__(self, fullname: str, path: str, prepared: Prepared) -> None:
        super().__init__(fullname, path)
        self._prepared = prepared

    def path_stats(self, path: str) -> Mapping[str, Any]:
        """The time and size of a source, asked for where an observer sees it."""
        status = os.stat(path)
        return {"mtime": status.st_mtime, "size": status.st_size}

    def get_code(self, fullname: str) -> types.CodeType:  # noqa: ARG002
        """The code of the module, from the bytes that its file has now."""
        data = self.get_data(self.path)
        return self._prepared(partial(self.source_to_code, data, self.path))


Around: TypeAlias = Callable[[Any], AbstractContextManager[None]]
"""Makes the context that a module is executed in, whose end has the module complete."""


class ContextLoader(importlib.machinery.SourceFileLoader):
    """Loads a source module as usual, in a context of its own; it leaves no trace in the module."""

    def __init__(self, loader: SourceFileLoader, around: Around) -> None:
        super().__init__(loader.name, loader.path)
        self._loader = loader
        self._around = around

    def exec_module(self, module: types.ModuleType) -> None:
        """Give the module back its own loader, and execute it in the context that is made for it."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        with self._around(module):
            self._loader.exec_module(module)


class ImportedAhead(Protocol):
    """Modules that were imported in a process before it was forked."""

    def find(self, name: str) -> ModuleSpec | None:
        """Find such a module that this process has not imported yet."""
        ...


@dataclass(eq=False, kw_only=True)
class WorkspaceFinder:
    """Stands before all other finders of `sys.meta_path` and asks them itself.

    `modules` maps dotted names to files; their parents without a file are namespace packages.
    A module that another finder finds in the workspace, or that nobody finds although `source_roots` or
    `own_paths` hold it, is refused with the place of the import. `around` makes contexts for modules of the
    environment, whose names are the keys, to be executed in. Of the code of modules in `modules`, what is run
    is what `prepared` makes of it. `ahead` has those that were imported before the
    factory asked for them. `roots` are the modules of the environment, in order, that others than modules of
    the environment imported first.
    """

    modules: Mapping[str, str]
    source_roots: Sequence[str]
    places: Places
    own_paths: Sequence[str] = ()
    around: Mapping[str, Around] = field(default_factory=dict)
    prepared: Prepared = _as_it_is
    ahead: ImportedAhead | None = None
    sites: dict[str, ImportSite] = field(default_factory=dict, init=False)
    roots: list[str] = field(default_factory=list, init=False)

    @cached_property
    def _namespaces(self) -> set[ModuleName]:
        return {parent for name in self.modules for parent in parents_of(name)} - self.modules.keys()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """The protocol of `sys.meta_path`. Raises UndeclaredModuleError."""
        site = _import_site()
        self.sites.setdefault(name, site)
        if name in self.modules:
            return _spec_of_file(name, self.modules[name], self.prepared)
        package = self.modules.get(package_of_init(name) or "", "")
        if os.path.basename(package) == "__init__.py":
            return _spec_of_file(name, package, self.prepared)
        if name in self._namespaces:
            return self._namespace(name, path)
        spec = self.ahead.find(name) if self.ahead is not None else None
        if spec is not None:
            self._note_root(name, site)
            return spec
        spec = self._from_others(name, path, target)
        if spec is not None:
            paths = paths_of_spec(spec)[:1]
            if paths and self.places.place_of(paths[0]) is Place.WORKSPACE:
                raise self._undeclared(name, paths[0], site)
            if paths and self.places.place_of(paths[0]) is Place.ENVIRONMENT:
                self._note_root(name, site)
            if name in self.around and type(spec.loader) is SourceFileLoader:
                spec.loader = ContextLoader(spec.loader, self.around[name])
            return spec
        if on_disk := self._on_disk(name):
            raise self._undeclared(name, on_disk, site)
        return None

    def is_declared(self, name: str) -> bool:
        """Whether the workspace has a module or a package of this name for the factory."""
        return name in self.modules or name in self._namespaces

    def is_undeclared(self, name: str) -> bool:
        """Whether a module that nothing else has lies in the workspace, for this factory to be refused."""
        return self._on_disk(name) is not None

    def _note_root(self, name: str, site: ImportSite) -> None:
        """Note a module of the environment whose import is no part of the import of another."""
        by_others = not site.path or self.places.place_of(site.path) is Place.WORKSPACE
        if by_others or (site.in_function and not self._in_import_of_environment()):
            self.roots.append(name)

    def _in_import_of_environment(self) -> bool:
        frame: types.FrameType | None = sys._getframe(2)
        while frame is not None:
            code = frame.f_code
            if code.co_name == "<module>" and self.places.place_of(code.co_filename) is Place.ENVIRONMENT:
                return True
            frame = frame.f_back
        return False

    def _undeclared(self, name: str, path: str, site: ImportSite) -> UndeclaredModuleError:
        root = root_of_module(name, path)
        roots = [self._short(root) for root in self.source_roots]
        found = self.places.short_path(path)
        reason = advice = ""
        if root is None or self._short(root) not in roots:
            reason = f"{found} is not the module {name} in this workspace, but Python finds it as that"
        if path.endswith(SUFFIXES):
            reason = f"the module {name} of the workspace has no source that an artifact could hold: {found}"
            advice = advice_on_sourceless(name)
        elif root is None:
            advice = f"modules have the names of their paths: have the path end in {name.replace('.', '/')}"
        elif self._short(root) not in roots:
            advice = advice_on_root(self._short(root), roots)
        return UndeclaredModuleError(name, found, site, reason, advice)

    def _short(self, folder: str) -> str:
        """A folder relative to the workspace, "" for the workspace itself."""
        return self.places.short_path(os.path.join(os.path.realpath(folder), "")).rstrip("/")

    def _from_others(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None
    ) -> ModuleSpec | None:
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            if finder is not self and find is not None:
                spec: ModuleSpec | None = find(name, path, target)
                if spec is not None:
                    return spec
        return None

    def _namespace(self, name: str, path: Sequence[str] | None) -> ModuleSpec:
        """A package without a file, joined with portions of it that the environment has."""
        spec = ModuleSpec(name, None, is_package=True)
        theirs = PathFinder.find_spec(name, path)
        portions = paths_of_spec(theirs) if theirs and theirs.origin is None else []
        spec.submodule_search_locations = [
            folder for folder in portions if self.places.place_of(folder) is not Place.WORKSPACE
        ]
        return spec

    def _on_disk(self, name: str) -> str | None:
        """The file of the workspace that `name` would be, were it declared."""
        relative = name.replace(".", os.sep)
        for root in (*self.source_roots, *self.own_paths):
            for suffix in (".py", f"{os.sep}__init__.py"):
                candidate = os.path.join(root, relative + suffix)
                if os.path.isfile(candidate):
                    return candidate
        return None


def root_of_module(name: str, path: str) -> str | None:
    """Return the folder from which the file at `path` is the module `name`; None where it never is."""
    relative = name.replace(".", os.sep)
    for suffix in (f"{os.sep}__init__.py", ".py", ""):
        if path.endswith(os.sep + relative + suffix):
            return path[: -len(os.sep + relative + suffix)]
    return None


def _spec_of_file(name: str, path: str, prepared: Prepared) -> ModuleSpec | None:
    folder, file = os.path.split(path)
    is_package = file.partition(".")[0] == "__init__" and not package_of_init(name)
    locations = [folder] if is_package else None
    loader = FreshSourceLoader(name, path, prepared) if path.endswith(".py") else None
    return spec_from_file_location(name, path, loader=loader, submodule_search_locations=locations)


def paths_of_spec(spec: Any) -> list[str]:
    """Where a module comes from: its file, or the folders of a namespace package; [] for a built-in module.

    `spec` can be anything: a module says itself what its ``__spec__`` is.
    """
    origin = getattr(spec, "origin", None)
    if getattr(spec, "has_location", False) and isinstance(origin, str):
        return [origin]
    locations = getattr(spec, "submodule_search_locations", None) or ()
    return [path for path in locations if isinstance(path, str)]


def is_machinery(path: str) -> bool:
    """Whether the file of a frame belongs to the import system, or to us, who call the factory and pickle."""
    return path.startswith("<frozen ") or os.path.dirname(path) in _MACHINERY


def _import_site() -> ImportSite:
    """The nearest frame that is neither the import system's nor ours."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if not is_machinery(path):
            return ImportSite(
                module=frame.f_globals.get("__name__", ""),
                path=path,
                line=_line_of(frame),
                in_function=frame.f_code.co_name != "<module>",
            )
        frame = frame.f_back
    return ImportSite()
