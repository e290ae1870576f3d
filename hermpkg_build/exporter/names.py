"""Checks the names that calls of an exporter give: of modules, of resources, of files with sources."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from hermpkg_build.exporter.sources.given_importers import importers_in_order
from hermpkg_build.exporter.sources.program import module_of_program
from hermpkg_build.runtime.importing.space import OPEN_SPACES
from hermpkg_build.runtime.mangling import demangle, is_mangled, mangle_prefix
from hermpkg_build.source.normal_form import declared_encoding


def plain_name(module: str, importer: Any) -> str:
    """The plain name of a module, which may have the prefix of one of the importers.

    Raises TypeError for anything but a string, ModuleNotFoundError for the prefix of another importer.
    """
    if not isinstance(module, str):
        raise TypeError(f"the name of a module is a string: pass its __name__, not {module!r}")
    if is_mangled(module):
        prefixes = [part.id() for part in importers_in_order(importer) if hasattr(part, "id")]
        if not any(module.startswith(f"{prefix}.") for prefix in prefixes):
            raise ModuleNotFoundError(
                f"{module!r} is a module of an importer that this exporter does not know: pass it in"
                " PackageExporter(..., importer=(that_importer, sys_importer))",
                name=module,
            )
    return module_of_program(demangle(module))


def source_files(module: str, path: str) -> Iterator[tuple[str, bool, bytes]]:
    """The modules that the file or folder `path` holds where it is named `module`; it may be in a package.

    Each has its name, whether it is a package, and its source. Raises OSError.
    """
    space = OPEN_SPACES.get(mangle_prefix(path))
    record = space.name_at(path) if space is not None else None
    if space is None or record is None:
        yield from _files_on_disk(module, path)
    elif space.archive.has(record):
        yield module, os.path.basename(record) == "__init__.py", space.archive.read(record)
    else:
        folder = f"{record}/"
        for inside in sorted(name for name in space.archive.names() if name.startswith(folder)):
            if inside.endswith(".py"):
                yield *_module_inside(module, inside[len(folder) :]), space.archive.read(inside)


def _files_on_disk(module: str, path: str) -> Iterator[tuple[str, bool, bytes]]:
    if not os.path.isdir(path):
        with open(path, "rb") as source:
            yield module, os.path.basename(path) == "__init__.py", source.read()
        return
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        for file in sorted(name for name in files if name.endswith(".py")):
            inside = os.path.relpath(os.path.join(folder, file), path).replace(os.sep, "/")
            with open(os.path.join(folder, file), "rb") as source:
                yield *_module_inside(module, inside), source.read()


def _module_inside(package: str, inside: str) -> tuple[str, bool]:
    """The name of the module in the file `inside` of the folder of `package`, and whether it is a package."""
    parts = inside.removesuffix(".py").split("/")
    is_package = parts[-1] == "__init__"
    return ".".join([package, *parts[: len(parts) - is_package]]), is_package


def encoded_source(text: str | bytes) -> bytes:
    """A source as the bytes of a file, text in the encoding that it declares.

    Raises UnicodeError, TypeError.
    """
    if isinstance(text, bytes):
        return text
    if not isinstance(text, str):
        raise TypeError(f"the source of a module is str or bytes, not {type(text).__name__}")
    data = text.encode()
    encoding = declared_encoding(data.replace(b"\r\n", b"\n"))
    try:
        return text.encode(encoding) if encoding else data
    except LookupError:
        return data


def pickle_name(package: str, resource: str) -> str:
    """The name of a pickle among modules, such as ``<model.model.pkl>``."""
    return f"<{demangle(package)}.{resource}>"


def is_pickle(name: str) -> bool:
    """Whether `pickle_name` made `name`."""
    return name.startswith("<") and name.endswith(">")
