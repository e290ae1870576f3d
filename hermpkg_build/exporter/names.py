"""Checks the names that calls of an exporter give: of modules, of resources, of files with sources."""

from __future__ import annotations

import os
from typing import Any

from hermpkg_build.exporter.sources.given_importers import importers_in_order
from hermpkg_build.exporter.sources.program import module_of_program
from hermpkg_build.runtime.mangling import demangle, is_mangled
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


def source_files(module: str, path: str) -> list[tuple[str, str]]:
    """The modules, each with its file, that the file or folder `path` holds where it is named `module`."""
    if not os.path.isdir(path):
        return [(module, path)]
    found = []
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name != "__pycache__")
        inside = os.path.relpath(folder, path)
        package = module if inside == os.curdir else f"{module}.{inside.replace(os.sep, '.')}"
        for file in sorted(files):
            if file.endswith(".py"):
                name = package if file == "__init__.py" else f"{package}.{file[:-3]}"
                found.append((name, os.path.join(folder, file)))
    return found


def encoded_source(text: str) -> bytes:
    """Source text as the bytes of a file, in the encoding that it declares. Raises UnicodeError."""
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
