"""Finds the source of a loaded module by its file or its loader."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib.abc import FileLoader
from importlib.machinery import EXTENSION_SUFFIXES
from typing import Any

from hermpkg_build.analysis.module_finder import ModuleSource
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.factories.loaded_modules import attribute_of

_NO_SOURCE = ModuleKind.BYTECODE
"""The kind of a module whose source is gone: only its code is left, in memory."""


def describe_module(name: str, module: Any) -> ModuleSource:
    """The module `name`, by its module object."""
    file = file_of(module)
    if file is not None:
        is_package = attribute_of(module, "__path__") is not None
        return from_file(name, file, is_package, attribute_of(module, "__loader__"))
    kind = ModuleKind.NAMESPACE if _is_folder(module) else ModuleKind.BUILTIN
    return ModuleSource(name=name, kind=kind, origin=Origin.ENVIRONMENT)


def from_file(name: str, file: str, is_package: bool, loader: Any) -> ModuleSource:
    """The module `name` in `file`, whose source the loader may have in an archive or in memory."""
    kind, data = _kind_of(file, is_package), None
    if not os.path.isfile(file):
        data = _source_from_loader(loader, name, file) if file.endswith(".py") else None
        kind = kind if data is not None else _NO_SOURCE
    path = os.path.abspath(file)
    return ModuleSource(name=name, kind=kind, origin=Origin.ENVIRONMENT, path=path, shown=path, data=data)


def file_of(module: Any) -> str | None:
    """The file that a module was loaded from, as its spec or itself says."""
    spec = attribute_of(module, "__spec__")
    loader = getattr(spec, "loader", None)
    if isinstance(loader, FileLoader):
        # A loader may take the source from elsewhere than the finder said.
        with suppress(ImportError):
            return os.fspath(loader.get_filename(loader.name))
    origin = getattr(spec, "origin", None) if getattr(spec, "has_location", False) else None
    file = origin or attribute_of(module, "__file__")
    return file if isinstance(file, str) and file else None


def _is_folder(module: Any) -> bool:
    try:
        return bool(list(attribute_of(module, "__path__")))
    except TypeError:
        return False


def _kind_of(file: str, is_package: bool) -> ModuleKind:
    if file.endswith(tuple(EXTENSION_SUFFIXES)):
        return ModuleKind.EXTENSION
    if not file.endswith(".py"):
        return _NO_SOURCE
    return ModuleKind.PACKAGE if is_package else ModuleKind.SOURCE


def _source_from_loader(loader: Any, name: str, file: str) -> bytes | None:
    """The source that a loader has elsewhere than in a file; None where it has none."""
    try:
        return bytes(loader.get_data(file))
    except (ImportError, OSError, AttributeError, TypeError):
        pass
    try:
        source = loader.get_source(name)
    except (ImportError, OSError, AttributeError, TypeError):
        return None
    return None if source is None else str(source).encode()
