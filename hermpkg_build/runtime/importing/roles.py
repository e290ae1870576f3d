"""The modules of an artifact: what each dotted name is to packaged code, told from the record names."""

from __future__ import annotations

import enum
from collections.abc import Iterable

from hermpkg_build.core.module_names import parents_of


class ModuleRole(enum.Enum):
    """What a dotted name is to packaged code."""

    SOURCE = "source"
    """A module or package with its source in the archive."""
    NAMESPACE = "namespace"
    """A folder of the archive without ``__init__.py``."""
    OVERLAY = "overlay"
    """An extern package with packaged modules below it, or the mere parent of an extern: both seen as one."""
    EXTERN = "extern"
    """A module of the environment that the artifact may use."""
    MISSING = "missing"


class ModuleTree:
    """Dotted names to roles, source records and children.

    An extern covers its submodules, as far down as no packaged source stands between: below a
    packaged module only what is packaged or extern by its own name exists.
    """

    def __init__(self, records: Iterable[str], externs: Iterable[str]) -> None:
        self.externs = frozenset(externs)
        self._sources: dict[str, str] = {}
        self._packages: set[str] = set()
        self._children: dict[str, set[str]] = {}
        for record in records:
            if not record.startswith(".data/"):
                self._add(record)
        self._above_sources = {parent for name in self._sources for parent in parents_of(name)}
        self._extern_parents = {parent for extern in self.externs for parent in parents_of(extern)}
        self._roles: dict[str, ModuleRole] = {}

    def role(self, name: str) -> ModuleRole:
        """What `name` is."""
        role = self._roles.get(name)
        if role is None:
            role = self._roles[name] = self._role(name)
        return role

    def source_record(self, name: str) -> str:
        """The record that holds the source of a SOURCE module. Raises KeyError for any other."""
        return self._sources[name]

    def is_package(self, name: str) -> bool:
        """Whether `name` can have submodules in this artifact."""
        return name in self._packages or self.role(name) in (ModuleRole.NAMESPACE, ModuleRole.OVERLAY)

    def is_extern(self, name: str) -> bool:
        """Whether `name` is extern, itself or below an extern package, packaged parts or not."""
        return name not in self._sources and self._covered(name)

    def children(self, name: str) -> list[str]:
        """The last segments of the packaged modules directly below `name` ("" for the top), sorted."""
        return sorted(self._children.get(name, ()))

    def top_level(self) -> list[str]:
        """The packaged top-level modules, sorted."""
        return self.children("")

    def _add(self, record: str) -> None:
        *folders, file = record.split("/")
        if any("." in folder for folder in folders):
            return  # No dotted name can reach it.
        package = ".".join(folders)
        if folders and package not in self._children:
            self._add_folder(folders)
        if file == "__init__.py":
            if package:
                self._sources[package] = record
                self._packages.add(package)
        elif file.endswith(".py") and "." not in file[:-3]:
            name = f"{package}.{file[:-3]}" if package else file[:-3]
            if name not in self._packages:
                self._sources[name] = record
            self._children.setdefault(package, set()).add(file[:-3])

    def _add_folder(self, folders: list[str]) -> None:
        name = ""
        for folder in folders:
            self._children.setdefault(name, set()).add(folder)
            name = f"{name}.{folder}" if name else folder
        self._children.setdefault(name, set())

    def _role(self, name: str) -> ModuleRole:
        if name in self._sources:
            return ModuleRole.SOURCE
        covered = self._covered(name)
        if name in self._above_sources and (covered or name in self._extern_parents):
            return ModuleRole.OVERLAY
        if covered:
            return ModuleRole.EXTERN
        if name in self._extern_parents:
            return ModuleRole.OVERLAY
        return ModuleRole.NAMESPACE if name and name in self._children else ModuleRole.MISSING

    def _covered(self, name: str) -> bool:
        if name in self.externs:
            return True
        for parent in parents_of(name):
            if parent in self._sources:
                return False
            if parent in self.externs:
                return True
        return False
