"""PackageModules: the `modules` of an importer, which packaged code sees as ``sys.modules``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from types import ModuleType
from typing import Any

from hermpkg_build.core.module_names import is_within
from hermpkg_build.runtime.importing import host_tables
from hermpkg_build.runtime.importing.parking import loaded_module
from hermpkg_build.runtime.importing.roles import ModuleRole
from hermpkg_build.runtime.importing.space import IMPORTER_MODULE, ModuleSpace


class PackageModules(MutableMapping[str, Any]):
    """Loaded modules by plain name: the packaged ones, and externs that have been imported.

    A packaged module is also found by its mangled name. Setting or deleting a module changes this
    package only, never the host's modules.
    """

    def __init__(self, space: ModuleSpace) -> None:
        self._space = space

    def __getitem__(self, name: str) -> Any:
        mangled = self._mangled(name)
        if mangled in self._space.registered and mangled in sys.modules:
            return loaded_module(self._space, mangled)
        if name in self._space.imported_externs:
            return self._space.imported_externs[name]
        if name in sys.modules and self._space.tree.role(name) is ModuleRole.EXTERN:
            return sys.modules[name]
        if name == IMPORTER_MODULE:
            return self._space.importer
        raise KeyError(name)

    def __setitem__(self, name: str, module: Any) -> None:
        mangled = self._mangled(name)
        is_known = mangled not in self._space.registered and name in self and self[name] is module
        if is_known and name != IMPORTER_MODULE:
            # Code that empties the mapping and puts an extern back gets the environment's as before.
            self._space.imported_externs[name] = module
        if is_known:
            return
        self._space.registered.add(mangled)
        sys.modules[mangled] = module
        if "torch._dynamo" in sys.modules:
            host_tables.show_modules([mangled])

    def __delitem__(self, name: str) -> None:
        mangled = self._mangled(name)
        if mangled in self._space.registered:
            del sys.modules[mangled]
            self._space.registered.discard(mangled)
        elif name not in self:
            raise KeyError(name)
        else:
            self._space.imported_externs.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        yield IMPORTER_MODULE
        prefix = self._space.prefix
        packaged = {
            self._space.plain(name): None for name in sorted(self._space.registered) if name in sys.modules
        }
        packaged.pop(prefix, None)
        yield from packaged
        yield from [name for name in list(self._space.imported_externs) if name not in packaged]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def clear(self) -> None:
        """Forget all modules but the importer itself, which cannot be removed."""
        for name in list(self):
            if name != IMPORTER_MODULE:
                self.pop(name, None)

    def copy(self) -> dict[str, ModuleType]:
        """Make a dictionary of the modules by name."""
        return dict(self)

    def __repr__(self) -> str:
        return f"<modules of {self._space.prefix}: {len(self)}>"

    def _mangled(self, name: str) -> str:
        return name if is_within(name, self._space.prefix) else self._space.mangle(name)
