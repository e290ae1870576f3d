"""The running interpreter as a provider of modules; finds them without importing any."""

from __future__ import annotations

import os
import re
import sys
from functools import cached_property
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder
from types import ModuleType
from typing import Any

from hermpkg_build.analysis.module_finder import ModuleFinder, ModuleSource
from hermpkg_build.core.module_names import parent_of
from hermpkg_build.core.module_roles import ModuleKind, Origin
from hermpkg_build.dataclass import replace
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.exporter.sources.loaded_module import describe_module, file_of, from_file
from hermpkg_build.exporter.sources.program import MAIN, module_of_program
from hermpkg_build.factories.loaded_modules import attribute_of
from hermpkg_build.pickles.global_names import find_global
from hermpkg_build.runtime.mangling import is_mangled

_STATIC_FINDERS = (BuiltinImporter, FrozenImporter, PathFinder)
_OWN_PLACE = re.compile(rb"\bmodules\s*\[\s*__name__\s*\]\s*=[^=]")


class InterpreterProvider:
    """The modules that ``import`` would find now.

    A module that is loaded is the file it was loaded from. For all others the path is searched as
    it is, the current folder and that of the script included, and the finders that packages have put
    on ``sys.meta_path`` are asked. A view of the files that stays the same for its lifetime.
    """

    def __init__(self) -> None:
        self._meta_finders: list[Any] = [f for f in sys.meta_path if f not in _STATIC_FINDERS]

    @cached_property
    def finder(self) -> ModuleFinder:
        """Finds modules on the search path."""
        # Nothing lies in a workspace here: there is no folder of this name.
        return ModuleFinder(
            tree=SourceTree(), workspace_modules=(), workspace_root=os.devnull, search_path=search_path()
        )

    def find(self, name: str) -> ModuleSource | None:
        """The module `name`; nothing is imported."""
        static = self.finder.find(name)
        loaded = sys.modules.get(name)
        if loaded is None:
            return self._readable(static) if static else self._found_by_finders(name)
        if static is not None and static.origin is Origin.STDLIB and name != MAIN:
            return self._readable(static)
        return self._loaded(name, loaded, static)

    def name_of(self, obj: Any, name: str) -> tuple[str, str]:
        """The module and qualified name of a class or function. Raises PicklingError."""
        import pickle

        module, qualname = find_global(obj, name)
        if is_mangled(module):
            raise pickle.PicklingError("it belongs to an importer of a package")
        return module_of_program(module), qualname

    def provides(self, obj: Any, module: str, name: str) -> bool:
        """Whether `name` of the loaded module `module` is `obj`."""
        found: Any = sys.modules.get(module)
        for attribute in name.split("."):
            found = getattr(found, attribute, None)
        return found is obj

    def __str__(self) -> str:
        return "sys_importer"

    def _loaded(self, name: str, module: ModuleType, static: ModuleSource | None) -> ModuleSource:
        """A module by the object that stands for it in ``sys.modules``."""
        file = file_of(module)
        if static is not None:
            same_file = file is not None and _same_file(static.path, file)
            if same_file or (file is None and static.kind in (ModuleKind.NAMESPACE, ModuleKind.EXTENSION)):
                return self._readable(static)
            if file is None and self._puts_in_its_place(static, module):
                return self._readable(static)
        return self._placed(describe_module(name, module))

    def _puts_in_its_place(self, static: ModuleSource, module: object) -> bool:
        """Whether the module in a file has put `module` in its place: ``sys.modules[__name__] = Lazy()``."""
        if static.kind not in (ModuleKind.SOURCE, ModuleKind.PACKAGE):
            return False
        if type(module).__module__ == static.name:
            return True
        data = self._readable(static).data
        return _OWN_PLACE.search(self.finder.tree.read(static.path) if data is None else data) is not None

    def _found_by_finders(self, name: str) -> ModuleSource | None:
        """The module by finders that are not part of Python, or by the path of a loaded parent."""
        parent = parent_of(name)
        path = list(attribute_of(sys.modules.get(parent), "__path__") or ()) if parent else None
        if parent and not path:
            return None
        for finder in (*self._meta_finders, *([PathFinder] if self._has_own_path(parent, path) else [])):
            try:
                spec = finder.find_spec(name, path)
            except Exception:  # noqa: BLE001, S112 -- a finder can run any code; one that fails finds nothing
                continue
            if spec is not None:
                is_package = spec.submodule_search_locations is not None
                if spec.origin and spec.has_location:
                    return self._placed(from_file(name, spec.origin, is_package, spec.loader))
                kind = ModuleKind.NAMESPACE if spec.loader is None else ModuleKind.BUILTIN
                return ModuleSource(name=name, kind=kind, origin=Origin.ENVIRONMENT)
        return None

    def _has_own_path(self, parent: str, path: list[str] | None) -> bool:
        static = self.finder.find(parent) if parent else None
        if not path or (static is not None and static.kind is ModuleKind.NAMESPACE):
            return bool(path)
        return static is None or path != [os.path.dirname(static.path)]

    def _placed(self, found: ModuleSource) -> ModuleSource:
        """`found` with the distribution and the short path of its file."""
        if not found.path:
            return found
        owner = self.finder.distributions.owner_of(found.path)
        return replace(found, shown=self._shown(found.path), distribution=owner.name if owner else "")

    def _readable(self, source: ModuleSource) -> ModuleSource:
        """`source` with its data where that lies in a ZIP file."""
        if not source.archive or source.kind not in (ModuleKind.SOURCE, ModuleKind.PACKAGE):
            return source
        import zipimport

        data = zipimport.zipimporter(source.archive).get_data(source.path)
        return replace(source, archive="", data=data)

    def _shown(self, file: str) -> str:
        """The path for messages: below the deepest entry of the search path that holds it."""
        entries = [
            f.directory for f in self.finder.search_path.folders if file.startswith(f.directory + os.sep)
        ]
        return file[len(max(entries, key=len)) + 1 :] if entries else file


def search_path() -> tuple[str, ...]:
    """The folders and files in which this process looks for modules, as absolute paths."""
    return tuple(dict.fromkeys(os.path.abspath(entry) for entry in sys.path if isinstance(entry, str)))


def _same_file(one: str, other: str) -> bool:
    if one == other:
        return True
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False
