"""What each dotted name is to packaged code: packed, of the environment, both, or missing."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable

from hermpkg_build.archive.modules import PackedModules
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
    """The roles of dotted names in an artifact with these records and extern modules.

    An extern covers its submodules, as far down as no packaged source stands between: below a
    packaged module only what is packaged or extern by its own name exists.
    """

    def __init__(self, records: Iterable[str], externs: Iterable[str]) -> None:
        self._records = records
        self.externs: frozenset[str] = frozenset(externs)
        self._extern_parents = {parent for extern in self.externs for parent in parents_of(extern)}
        self._roles: dict[str, ModuleRole] = {}

    @functools.cached_property
    def packed(self) -> PackedModules:
        """The modules that the records hold; made when one is asked for: there may be very many."""
        return PackedModules(self._records)

    def role(self, name: str) -> ModuleRole:
        """What `name` is."""
        role = self._roles.get(name)
        if role is None:
            role = self._roles[name] = self._role(name)
        return role

    def source_record(self, name: str) -> str:
        """The record that holds the source of a SOURCE module. Raises KeyError for any other."""
        record = self.packed.source(name)
        if record is None:
            raise KeyError(name)
        return record

    def is_package(self, name: str) -> bool:
        """Whether `name` can have submodules in this artifact."""
        role = self.role(name)
        return self.packed.is_package(name) if role is ModuleRole.SOURCE else role in _FOLDERS

    def is_extern(self, name: str) -> bool:
        """Whether `name` is extern, itself or below an extern package, packaged parts or not."""
        return self.packed.source(name) is None and self._covered(name)

    def _role(self, name: str) -> ModuleRole:
        if self.packed.source(name) is not None:
            return ModuleRole.SOURCE
        if self._covered(name):
            is_above = name in self.packed.folders and name in self.packed.above_sources
            return ModuleRole.OVERLAY if is_above else ModuleRole.EXTERN
        if name in self._extern_parents:
            return ModuleRole.OVERLAY
        return ModuleRole.NAMESPACE if self.packed.is_namespace(name) else ModuleRole.MISSING

    def _covered(self, name: str) -> bool:
        if name in self.externs:
            return True
        for parent in parents_of(name):
            if self.packed.source(parent) is not None:
                return False
            if parent in self.externs:
                return True
        return False


_FOLDERS = (ModuleRole.NAMESPACE, ModuleRole.OVERLAY)
