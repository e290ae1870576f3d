"""The functions of pkgutil and pydoc that packaged code gets: the host's own, on the package's modules."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from hermpkg_build.core.module_names import top_of
from hermpkg_build.runtime.host.importlib_views import run_in_package
from hermpkg_build.runtime.importing.imports import holds, import_module
from hermpkg_build.runtime.importing.module_views import Overrides
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import ModuleSpace

_FUNCTIONS_OF_PKGUTIL = ("iter_modules", "walk_packages", "find_loader", "get_loader", "resolve_name")


def pkgutil_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """Make what replaces functions of pkgutil."""

    def get_importer(path_item: Any) -> Any:
        folder = space.name_at(os.fsdecode(path_item))
        return host.get_importer(path_item) if folder is None else _FolderFinder(space, folder)

    def iter_modules(path: Iterable[str] | None = None, prefix: str = "") -> Iterator[Any]:
        modules: Iterator[Any] = copies["iter_modules"]([space.prefix] if path is None else path, prefix)
        return modules

    def get_data(package: str, resource: str) -> bytes | None:
        module = import_module(space, package)
        get = getattr(getattr(module, "__loader__", None), "get_data", None)
        folder = next(iter(getattr(module, "__path__", ())), os.path.dirname(module.__file__ or ""))
        data: bytes | None = get(os.path.join(folder, *resource.split("/"))) if get else None
        return data

    def resolve_name(name: str) -> Any:
        return copies["resolve_name"](space.plain(name))

    own = {function.__name__: function for function in (get_importer, iter_modules, get_data, resolve_name)}
    copies = run_in_package(space, host, _FUNCTIONS_OF_PKGUTIL, own)
    return {**copies, **own}


def pydoc_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """Make what replaces ``pydoc.locate``, with which other libraries look objects up."""
    copies = run_in_package(space, host, ("safeimport", "locate"), {})

    def locate(path: str, forceload: bool = False) -> Any:
        name = space.plain(path)
        top = top_of(name)
        if not top or not holds(space, top) or space.tree.is_extern(top):
            return host.locate(path, forceload)
        return copies["locate"](name)

    return {"locate": locate}


class _FolderFinder:
    """Finds and lists the modules of one folder of an artifact: the `module_finder` of a ModuleInfo."""

    def __init__(self, space: ModuleSpace, folder: str) -> None:
        self._space = space
        self._package = folder.replace("/", ".")

    def iter_modules(self, prefix: str = "") -> Iterator[tuple[str, bool]]:
        """Give the name of each module, after `prefix`, and whether it is a package."""
        tree = self._space.tree
        for child in tree.packed.children(self._package):
            name = self._below(child)
            if tree.role(name) is ModuleRole.SOURCE:
                yield prefix + child, tree.is_package(name)

    def find_spec(self, fullname: str, _target: ModuleType | None = None) -> ModuleSpec | None:
        """Find the spec of the module in this folder that has the last segment of `fullname`."""
        name = self._below(fullname.rpartition(".")[2])
        return self._space.loader.find_spec(self._space.mangle(name))

    def _below(self, segment: str) -> str:
        return f"{self._package}.{segment}" if self._package else segment
