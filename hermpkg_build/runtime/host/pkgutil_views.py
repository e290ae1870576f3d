"""The functions of pkgutil and pydoc that packaged code gets bound to the modules of its package."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hermpkg_build.runtime.host.importlib_views import find_spec
from hermpkg_build.runtime.importing.imports import holds, import_module
from hermpkg_build.runtime.importing.module_views import Overrides
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import ModuleSpace

if TYPE_CHECKING:
    import pkgutil


def pkgutil_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """Pkgutil."""

    def iter_modules(path: Iterable[str] | None = None, prefix: str = "") -> Iterator[pkgutil.ModuleInfo]:
        if isinstance(path, str):
            raise ValueError("path must be None or list of paths to look for modules in")
        for item in [space.prefix] if path is None else path:
            yield from _modules_at(space, host, item, prefix)

    def walk_packages(
        path: Iterable[str] | None = None,
        prefix: str = "",
        onerror: Callable[[str], object] | None = None,
    ) -> Iterator[pkgutil.ModuleInfo]:
        seen: set[str] = set()

        def walk(path: Iterable[str] | None, prefix: str) -> Iterator[pkgutil.ModuleInfo]:
            for info in iter_modules(path, prefix):
                yield info
                if info.ispkg:
                    module = _import_while_walking(space, info.name, onerror)
                    below = [item for item in getattr(module, "__path__", ()) if item not in seen]
                    seen.update(below)
                    yield from walk(below, f"{info.name}.")

        yield from walk(path, prefix)

    def get_data(package: str, resource: str) -> bytes | None:
        module = import_module(space, package)
        get = getattr(getattr(module, "__loader__", None), "get_data", None)
        folder = next(iter(getattr(module, "__path__", ())), os.path.dirname(module.__file__ or ""))
        data: bytes | None = get(os.path.join(folder, *resource.split("/"))) if get else None
        return data

    def find_loader(fullname: str) -> Any:
        spec = find_spec(space, space.plain(fullname))
        return spec.loader if spec is not None else None

    def resolve_name(name: str) -> Any:
        module_name, colon, attributes = name.partition(":")
        if colon:
            rest = attributes.split(".") if attributes else []
            return functools.reduce(getattr, rest, import_module(space, module_name))
        return _located(space, space.plain(module_name).split("."))

    overrides: dict[str, Any] = {
        "iter_modules": iter_modules,
        "walk_packages": walk_packages,
        "get_data": get_data,
        "resolve_name": resolve_name,
    }
    for name in ("find_loader", "get_loader"):
        if name in vars(host):
            overrides[name] = find_loader
    return overrides


def pydoc_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """pydoc, which trace and other tools look objects up with."""

    def locate(path: str, forceload: bool = False) -> Any:
        parts = [part for part in space.plain(path).split(".") if part]
        if not parts or not holds(space, parts[0]) or space.tree.is_extern(parts[0]):
            return host.locate(path, forceload)
        try:
            return _located(space, parts)
        except AttributeError:
            return None
        except Exception as error:
            raise host.ErrorDuringImport(path, sys.exc_info()) from error

    return {"locate": locate}


def _located(space: ModuleSpace, parts: Sequence[str]) -> Any:
    """What a dotted name leads to: modules as far as there are any, attributes from there on."""
    name, *rest = parts
    found = import_module(space, name)
    while rest and _has_module(space, f"{name}.{rest[0]}"):
        name = f"{name}.{rest.pop(0)}"
        found = import_module(space, name)
    return functools.reduce(getattr, rest, found)


def _has_module(space: ModuleSpace, name: str) -> bool:
    try:
        return find_spec(space, name) is not None
    except ModuleNotFoundError:
        return False


def _import_while_walking(
    space: ModuleSpace, name: str, onerror: Callable[[str], object] | None
) -> ModuleType | None:
    try:
        module: ModuleType = import_module(space, name)
    except Exception as error:
        if onerror is not None:
            onerror(name)
        elif not isinstance(error, ImportError):
            raise
        return None
    return module


def _modules_at(space: ModuleSpace, host: Any, item: str, prefix: str) -> Iterator[pkgutil.ModuleInfo]:
    """The modules in a folder: one of the artifact, or any other."""
    folder = space.name_at(item)
    if folder is None:
        yield from host.iter_modules([item], prefix)
        return
    package = folder.replace("/", ".")
    for child in space.tree.children(package):
        name = f"{package}.{child}" if package else child
        if space.tree.role(name) is ModuleRole.SOURCE:
            yield host.ModuleInfo(_FolderFinder(space, package), prefix + child, space.tree.is_package(name))


class _FolderFinder:
    """Finds the modules of one folder of an artifact: the `module_finder` of a ModuleInfo."""

    def __init__(self, space: ModuleSpace, package: str) -> None:
        self._space = space
        self._package = package

    def find_spec(self, fullname: str, _target: ModuleType | None = None) -> ModuleSpec | None:
        """The spec of the module in this folder that has the last segment of `fullname`."""
        last = fullname.rpartition(".")[2]
        name = f"{self._package}.{last}" if self._package else last
        return self._space.loader.find_spec(self._space.mangle(name))
