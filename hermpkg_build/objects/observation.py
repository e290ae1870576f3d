"""What the making of a model touched: modules imported, files read."""

from __future__ import annotations

import os
import sys

from hermpkg_build.objects.finder import Importer, WorkspaceFinder
from hermpkg_build.objects.places import Place, Places
from hermpkg_build.objects.request import ObservedImport

_KEPT = (Place.WORKSPACE, Place.ENVIRONMENT)


class OpenedFiles:
    """Notes every file that Python code of this process opens for reading, from now on.

    An audit hook cannot be removed; this is for a process with one task.
    """

    def __init__(self) -> None:
        self._paths: dict[str, None] = {}
        sys.addaudithook(self._on_event)

    def _on_event(self, event: str, arguments: tuple[object, ...]) -> None:
        if event != "open":
            return
        path, mode, flags = arguments
        if isinstance(path, bytes):
            path = os.fsdecode(path)
        writing = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR)
        if isinstance(path, str) and not writing and mode not in ("w", "x", "a", "wb", "xb", "ab"):
            # What is relative counts from where the process is now, not from where it ends.
            self._paths[os.path.abspath(path)] = None

    def paths(self) -> list[str]:
        """The paths noted so far, of which some may name no file."""
        return list(self._paths)


def observed_imports(finder: WorkspaceFinder, places: Places) -> list[ObservedImport]:
    """The modules of workspace and environment that are loaded, by name."""
    found = []
    for name, module in sorted(sys.modules.items()):
        importer = finder.requested.get(name)
        if importer is not None and any(places.of(path) in _KEPT for path in _places_of_module(module)):
            found.append(_observed(name, importer, places))
    return found


def _observed(name: str, importer: Importer, places: Places) -> ObservedImport:
    return ObservedImport(
        module=name,
        importer=importer.module,
        path=places.shown(importer.path),
        line=importer.line,
    )


def observed_files(finder: WorkspaceFinder, opened: OpenedFiles, places: Places) -> list[str]:
    """The files of workspace and environment that were read, sources of loaded modules included.

    The source counts also where the interpreter had it compiled already and only looked at its
    time; the compiled file itself is none of the inputs.
    """
    paths = set(opened.paths())
    for name in finder.requested:
        module = sys.modules.get(name)
        if module is not None:
            paths.update(_places_of_module(module))
    return sorted(
        path
        for path in paths
        if places.of(path) in _KEPT and not path.endswith(".pyc") and os.path.isfile(path)
    )


def _places_of_module(module: object) -> list[str]:
    """Where a module comes from: its file, or the folders of a namespace package."""
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None)
    if getattr(spec, "has_location", False) and isinstance(origin, str):
        return [origin]
    locations = getattr(spec, "submodule_search_locations", None) or ()
    return [path for path in locations if isinstance(path, str)]
