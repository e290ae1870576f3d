"""Finds files of the workspace that are modules without a source: compiled code, and bytecode alone."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.core.sourceless import SUFFIXES

if TYPE_CHECKING:
    from hermpkg_build.analysis.module_finder import ModuleFinder


def sourceless_file(name: str, finder: ModuleFinder) -> str:
    """The path from the root of the file that Python finds as the module `name`; "" where none is there."""
    package, _, tail = name.rpartition(".")
    above = finder.find(package) if package else None
    if package and (above is None or above.origin is not Origin.WORKSPACE or above.kind is ModuleKind.SOURCE):
        return ""
    for root in (*finder.source_roots, *finder.missing_roots):
        folder = "/".join(filter(None, (root, *package.split("."))))
        entries = finder.tree.entries(os.path.join(finder.workspace_root, *folder.split("/"))) or {}
        for suffix in SUFFIXES:
            if entries.get(tail + suffix) is False:
                return f"{folder}/{tail}{suffix}".lstrip("/")
    return ""
