"""Tells which modules a factory has imported, and which files and folders they are."""

from __future__ import annotations

import os
import site
import sys

from hermpkg_build.core.module_names import is_module_name, top_of
from hermpkg_build.disk.normal_paths import absolute_path
from hermpkg_build.extension import library
from hermpkg_build.factories.loaded_modules import attribute_of
from hermpkg_build.factories.places import Place, Places
from hermpkg_build.factories.request import ObservedImport
from hermpkg_build.factories.workspace_finder import ImportSite, WorkspaceFinder, paths_of_spec

_CODE = (Place.WORKSPACE, Place.ENVIRONMENT)
_INTERPRETERS_OWN = sys.stdlib_module_names | {"__main__"}


def observed_imports(finder: WorkspaceFinder, places: Places) -> list[ObservedImport]:
    """The modules of workspace and environment that are loaded, by name."""
    found = []
    for name, module in sorted(sys.modules.copy().items()):
        site = finder.sites.get(name)
        if site is not None and any(places.place_of(path) in _CODE for path in paths_of_module(module)):
            found.append(_observed(name, site, places))
    return found


def observed_aliases() -> tuple[tuple[str, str], ...]:
    """The names of loaded modules that are not their own, by name, each with the module's own."""
    found = []
    for name, module in sorted(sys.modules.copy().items()):
        real = attribute_of(attribute_of(module, "__spec__"), "name")
        if not isinstance(real, str) or real == name or top_of(name) in _INTERPRETERS_OWN:
            continue
        if is_module_name(name) and sys.modules.get(real) is module:
            found.append((name, real))
    return tuple(found)


def folders_of_package(name: str, places: Places) -> list[str]:
    """The folders outside the workspace in which Python looks for submodules of a loaded package.

    In the workspace only declared modules count, and the request lists these.
    """
    spec = attribute_of(sys.modules.get(name), "__spec__")
    folders = getattr(spec, "submodule_search_locations", None) or ()
    return [
        absolute_path(folder)
        for folder in folders
        if isinstance(folder, str) and places.place_of(folder) is not Place.WORKSPACE
    ]


def paths_of_module(module: object) -> list[str]:
    """Where a loaded module comes from: see `paths_of_spec`."""
    return paths_of_spec(attribute_of(module, "__spec__"))


def _observed(name: str, site: ImportSite, places: Places) -> ObservedImport:
    return ObservedImport(
        module=name,
        importer=site.module,
        path=places.short_path(site.path),
        line=site.line,
        by_helper=site.in_function and places.place_of(site.path) is Place.ENVIRONMENT,
    )


def files_of_start(finder: WorkspaceFinder, places: Places) -> list[str]:
    """What of the environment has run code since this process started, and was not imported later.

    That are ``.pth`` files with code, and the modules that these and Python's own start imported, but for our
    own extension, which changes nothing that is made.
    """
    ours = library()
    found = [
        path
        for name, module in sys.modules.copy().items()
        if name not in finder.sites
        for path in paths_of_module(module)
        if places.place_of(path) is Place.ENVIRONMENT and path != ours
    ]
    for folder in site.getsitepackages():
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else ():
            path = os.path.join(folder, name)
            if name.endswith(".pth") and not name.startswith(".") and _has_code(path):
                found.append(path)
    return found


def _has_code(path: str) -> bool:
    try:
        with open(path, "rb") as file:
            return any(line.startswith((b"import ", b"import\t")) for line in file)
    except OSError:
        return False
