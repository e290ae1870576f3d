"""Which modules a factory can import: those of the workspace its target names, and the environment's."""

from __future__ import annotations

import importlib.machinery
import os
import sys
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from typing import Any

from hermpkg_build.core.module_names import package_of_init, parents_of
from hermpkg_build.factories.places import Place, Places

_OURS = os.path.dirname(__file__)
_MACHINERY = frozenset(
    {_OURS, os.path.join(os.path.dirname(_OURS), "pickles"), os.path.dirname(importlib.machinery.__file__)}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """Where an import was asked for, and whether by a function; all empty for one by the worker itself."""

    module: str = ""
    path: str = ""
    line: int = 0
    in_function: bool = False


class UndeclaredModuleError(ImportError):
    """A module of the workspace that the target's deps do not reach.

    Not a ModuleNotFoundError, which ``from package import module`` would take for a missing
    attribute of the package.
    """

    def __init__(self, name: str, found: str, importer: Importer) -> None:
        super().__init__(f"the module {name} ({found}) is not among the deps of the target", name=name)
        self.found = found
        self.importer = importer


class FreshSourceLoader(SourceFileLoader):
    """Compiles a module from its source each time: a stale ``.pyc`` must not speak for it."""

    def get_code(self, fullname: str) -> types.CodeType:  # noqa: ARG002
        """The code of the module, from the bytes that its file has now."""
        return self.source_to_code(self.get_data(self.path), self.path)


class RunAfter(importlib.machinery.SourceFileLoader):
    """Loads a source module as usual, then calls back; it leaves no trace in the module."""

    def __init__(self, loader: SourceFileLoader, callback: Callable[[Any], None]) -> None:
        super().__init__(loader.name, loader.path)
        self._loader = loader
        self._callback = callback

    def exec_module(self, module: types.ModuleType) -> None:
        """Execute the module, give it back its own loader, and call back with it."""
        module.__loader__ = self._loader
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        self._callback(module)


class WorkspaceFinder:
    """Stands before all other finders of `sys.meta_path` and asks them itself.

    `modules` maps dotted names to files; their parents without a file are namespace packages.
    What the other finders give counts only if it does not lie in the workspace, and what nobody
    finds but `source_roots` hold on disk is refused with the place that asked for it. `after` are
    callbacks by the name of a module of the environment, called once it is executed.
    """

    def __init__(
        self,
        *,
        modules: Mapping[str, str],
        source_roots: Sequence[str],
        places: Places,
        after: Mapping[str, Callable[[Any], None]],
    ) -> None:
        self.requested: dict[str, Importer] = {}
        self._modules = modules
        self._namespaces = {parent for name in modules for parent in parents_of(name)} - modules.keys()
        self._roots = source_roots
        self._places = places
        self._after = after

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: types.ModuleType | None = None
    ) -> ModuleSpec | None:
        """The protocol of `sys.meta_path`. Raises UndeclaredModuleError."""
        importer = _importer()
        self.requested.setdefault(name, importer)
        if name in self._modules:
            return _spec_of_file(name, self._modules[name])
        package = self._modules.get(package_of_init(name) or "", "")
        if os.path.basename(package) == "__init__.py":
            return _spec_of_file(name, package)
        if name in self._namespaces:
            return self._namespace(name, path)
        spec = self._from_others(name, path, target)
        if spec is not None:
            found = _place_of_spec(spec)
            if found and self._places.of(found) is Place.WORKSPACE:
                raise UndeclaredModuleError(name, self._places.shown(found), importer)
            if name in self._after and type(spec.loader) is SourceFileLoader:
                spec.loader = RunAfter(spec.loader, self._after[name])
            return spec
        if on_disk := self._on_disk(name):
            raise UndeclaredModuleError(name, self._places.shown(on_disk), importer)
        return None

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
        portions = list(theirs.submodule_search_locations or ()) if theirs and theirs.origin is None else []
        spec.submodule_search_locations = [p for p in portions if self._places.of(p) is not Place.WORKSPACE]
        return spec

    def _on_disk(self, name: str) -> str | None:
        """The file of the workspace that `name` would be, were it declared."""
        relative = name.replace(".", os.sep)
        for root in self._roots:
            for suffix in (".py", f"{os.sep}__init__.py"):
                candidate = os.path.join(root, relative + suffix)
                if os.path.isfile(candidate):
                    return candidate
        return None


def _spec_of_file(name: str, path: str) -> ModuleSpec | None:
    folder, file = os.path.split(path)
    is_package = file.partition(".")[0] == "__init__" and not package_of_init(name)
    locations = [folder] if is_package else None
    loader = FreshSourceLoader(name, path) if path.endswith(".py") else None
    from importlib.util import spec_from_file_location

    return spec_from_file_location(name, path, loader=loader, submodule_search_locations=locations)


def _place_of_spec(spec: ModuleSpec) -> str:
    """The file of a module, or a folder of a namespace package; "" for what is built in."""
    if spec.has_location and spec.origin:
        return spec.origin
    return next(iter(spec.submodule_search_locations or ()), "")


def is_machinery(path: str) -> bool:
    """Whether the file of a frame belongs to the import system, or to us, who call the factory and pickle."""
    return path.startswith("<frozen ") or os.path.dirname(path) in _MACHINERY


def _importer() -> Importer:
    """The nearest frame that is neither of the import system nor ours."""
    frame: types.FrameType | None = sys._getframe(2)
    while frame is not None:
        path = frame.f_code.co_filename
        if not is_machinery(path):
            return Importer(
                module=frame.f_globals.get("__name__", ""),
                path=path,
                line=frame.f_lineno,
                in_function=frame.f_code.co_name != "<module>",
            )
        frame = frame.f_back
    return Importer()
