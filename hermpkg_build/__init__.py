"""Build PyTorch models, the code and the resources they need into one reproducible file.

The public names are loaded when first used: importing this package loads neither torch nor anything
of the build side.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from hermpkg_build.core.patterns import GlobGroup, GlobPattern
    from hermpkg_build.errors import HermpkgError
    from hermpkg_build.exporter.errors import EmptyMatchError, PackagingError, PackagingErrorReason
    from hermpkg_build.exporter.package_exporter import PackageExporter
    from hermpkg_build.runtime.contents.file_tree import Directory
    from hermpkg_build.runtime.importer import PackageImporter
    from hermpkg_build.runtime.importer_protocol import (
        Importer,
        ObjMismatchError,
        ObjNotFoundError,
        OrderedImporter,
        sys_importer,
    )
    from hermpkg_build.runtime.mangling import is_from_package

__all__ = [
    "Directory",
    "EmptyMatchError",
    "GlobGroup",
    "GlobPattern",
    "HermpkgError",
    "Importer",
    "ObjMismatchError",
    "ObjNotFoundError",
    "OrderedImporter",
    "PackageExporter",
    "PackageImporter",
    "PackagingError",
    "PackagingErrorReason",
    "__version__",
    "is_from_package",
    "sys_importer",
]

_HOMES = {
    "Directory": "runtime.contents.file_tree",
    "EmptyMatchError": "exporter.errors",
    "GlobGroup": "core.patterns",
    "GlobPattern": "core.patterns",
    "HermpkgError": "errors",
    "Importer": "runtime.importer_protocol",
    "ObjMismatchError": "runtime.importer_protocol",
    "ObjNotFoundError": "runtime.importer_protocol",
    "OrderedImporter": "runtime.importer_protocol",
    "PackageExporter": "exporter.package_exporter",
    "PackageImporter": "runtime.importer",
    "PackagingError": "exporter.errors",
    "PackagingErrorReason": "exporter.errors",
    "is_from_package": "runtime.mangling",
    "sys_importer": "runtime.importer_protocol",
}


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value: object = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
