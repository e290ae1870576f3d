"""Opens artifacts and runs the code in them; needs nothing of the build side.

The names below are loaded when first used, so that importing this package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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
    "Importer",
    "ObjMismatchError",
    "ObjNotFoundError",
    "OrderedImporter",
    "PackageImporter",
    "is_from_package",
    "sys_importer",
]

_HOMES = {
    "Directory": "contents.file_tree",
    "Importer": "importer_protocol",
    "ObjMismatchError": "importer_protocol",
    "ObjNotFoundError": "importer_protocol",
    "OrderedImporter": "importer_protocol",
    "PackageImporter": "importer",
    "is_from_package": "mangling",
    "sys_importer": "importer_protocol",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
