"""The functions of importlib and sys that packaged code gets bound to the modules of its package."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import sys
from collections.abc import Callable, Iterable
from importlib.machinery import ModuleSpec
from types import FunctionType, ModuleType
from typing import Any

from hermpkg_build.core.module_names import parent_of
from hermpkg_build.runtime.importing import imports
from hermpkg_build.runtime.importing.error_notes import missing_module
from hermpkg_build.runtime.importing.module_views import ModuleView, Overrides
from hermpkg_build.runtime.importing.space import ModuleSpace
from hermpkg_build.runtime.importing.sys_modules import PackageModules

_FUNCTIONS_OF_PACKAGES = (
    "contents",
    "files",
    "is_resource",
    "open_binary",
    "open_text",
    "path",
    "read_binary",
    "read_text",
)


def importlib_overrides(space: ModuleSpace, _host: ModuleType) -> Overrides:
    """Make what replaces functions of importlib."""

    def import_module(name: str, package: str | None = None) -> Any:
        return space.views.view_of(imports.import_module(space, name, package))

    def reload(module: ModuleType) -> Any:
        return space.views.view_of(importlib.reload(space.views.host_of(module)))

    return {"import_module": import_module, "__import__": space.builtins["__import__"], "reload": reload}


def util_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """Make what replaces functions of importlib.util."""
    from hermpkg_build.runtime.host.source_files import source_file_loader

    def find_spec_of(name: str, package: str | None = None) -> ModuleSpec | None:
        return find_spec(space, imports.resolve(space, name, package))

    def spec_from_file_location(
        name: str, location: Any = None, *, loader: Any = None, **options: Any
    ) -> ModuleSpec | None:
        path = os.fspath(location) if location is not None and loader is None else ""
        record = space.record_at(path) if isinstance(path, str) else None
        if record is not None and record.endswith(".py"):
            return space.loader.spec_of_file(space.plain(name), path, record)
        if isinstance(path, str) and path.endswith(".py"):
            name = space.mangle(space.plain(name))
            loader = source_file_loader(space, importlib.machinery.SourceFileLoader)(name, path)
        spec: ModuleSpec | None = host.spec_from_file_location(name, location, loader=loader, **options)
        return spec

    return {"find_spec": find_spec_of, "spec_from_file_location": spec_from_file_location}


def find_spec(space: ModuleSpace, name: str) -> ModuleSpec | None:
    """Find the spec of `name` as importlib.util.find_spec does: parents are imported, `name` is not.

    None where the package has no such module; raises ModuleNotFoundError where it lacks the parent.
    """
    if not imports.holds(space, name):
        parent = parent_of(name)
        if parent and not imports.holds(space, parent):
            raise missing_module(space, parent)
        return None
    return importlib.util.find_spec(name if imports.is_wholly_extern(space, name) else space.mangle(name))


def resources_overrides(space: ModuleSpace, host: ModuleType) -> Overrides:
    """Make what replaces those functions of importlib.resources that take the name of a package."""
    return {
        name: _with_packaged_anchor(space, getattr(host, name))
        for name in _FUNCTIONS_OF_PACKAGES
        if hasattr(host, name)
    }


def _with_packaged_anchor(space: ModuleSpace, function: Callable[..., Any]) -> Callable[..., Any]:
    """Make `function` of importlib.resources take the plain name of a package as its first argument.

    Without an argument, `files` (of Python 3.12 and later) means the package of the code that calls it.
    """

    def module(package: Any) -> Any:
        return imports.import_module(space, package) if isinstance(package, str) else package

    @functools.wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Any:
        keyword = next((key for key in ("package", "anchor") if key in kwargs), None)
        if args:
            return function(module(args[0]), *args[1:], **kwargs)
        if keyword:
            return function(module(kwargs.pop(keyword)), **kwargs)
        if function.__name__ == "files" and sys.version_info >= (3, 12):
            return function(module(sys._getframe(1).f_globals["__name__"]))
        return function(**kwargs)

    return bound


def sys_overrides(space: ModuleSpace, _host: ModuleType) -> Overrides:
    """Make what replaces ``sys.modules``."""
    return {"modules": PackageModules(space)}


def runpy_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """Make what replaces functions of runpy: modules of the package run with its own imports."""

    def run_module(mod_name: str, init_globals: Any = None, *arguments: Any, **options: Any) -> Any:
        name = space.plain(mod_name)
        if not imports.holds(space, name) or space.tree.is_extern(name):
            return host.run_module(mod_name, init_globals, *arguments, **options)
        namespace = {**(init_globals or {}), "__builtins__": space.builtins}
        return host.run_module(space.mangle(name), namespace, *arguments, **options)

    def run_path(path_name: str, init_globals: Any = None, *arguments: Any, **options: Any) -> Any:
        namespace = {**(init_globals or {}), "__builtins__": space.builtins}
        return host.run_path(path_name, namespace, *arguments, **options)

    return {"run_module": run_module, "run_path": run_path}


def run_in_package(
    space: ModuleSpace, host: ModuleType, names: Iterable[str], own: Overrides
) -> dict[str, Callable[..., Any]]:
    """Copy those functions `names` that `host` has: the copies import by name what packaged code would.

    They call each other, and the functions in `own`, in place of the host's. Their import statements still
    get the host's modules.
    """
    namespace = {
        **vars(host),
        "__import__": space.builtins["__import__"],
        "importlib": space.views.view_of(importlib),
        "sys": ModuleView.of(sys, sys_overrides(space, sys), space.views),
    }
    copies: dict[str, Callable[..., Any]] = {}
    for name in names:
        if function := vars(host).get(name):
            copies[name] = FunctionType(function.__code__, namespace, name, function.__defaults__)
    namespace.update(copies, **own)
    return copies
