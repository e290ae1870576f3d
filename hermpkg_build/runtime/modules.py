"""The modules of a space by plain name: an importer's `modules`, and packaged code's ``sys.modules``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, MutableMapping
from types import ModuleType
from typing import TYPE_CHECKING, Any

from hermpkg_build.runtime import finder
from hermpkg_build.runtime.tree import ModuleRole

if TYPE_CHECKING:
    from hermpkg_build.runtime.space import ModuleSpace


class PackageModules(MutableMapping[str, Any]):
    """Loaded modules by plain name: the packaged ones and the externs that have been imported.

    A packaged module is also found by its mangled name. What is set or deleted changes this space
    only, never the host's modules.
    """

    def __init__(self, space: ModuleSpace) -> None:
        self._space = space

    def __getitem__(self, name: str) -> Any:
        mangled = self._mangled(name)
        if mangled in self._space.registered and mangled in sys.modules:
            return finder.itself(sys.modules[mangled], self._space, mangled)
        if name in self._space.externs:
            return self._space.externs[name]
        if name in sys.modules and self._space.tree.role(name) is ModuleRole.EXTERN:
            return sys.modules[name]
        if name == "torch_package_importer":
            return self._space.own_module
        raise KeyError(name)

    def __setitem__(self, name: str, module: Any) -> None:
        mangled = self._mangled(name)
        self._space.registered.add(mangled)
        sys.modules[mangled] = module

    def __delitem__(self, name: str) -> None:
        mangled = self._mangled(name)
        if mangled in self._space.registered:
            del sys.modules[mangled]
            self._space.registered.discard(mangled)
        elif name not in self:
            raise KeyError(name)
        else:
            self._space.externs.pop(name, None)

    def __iter__(self) -> Iterator[str]:
        yield "torch_package_importer"
        prefix = self._space.prefix
        packaged = {
            self._space.plain(name): None for name in sorted(self._space.registered) if name in sys.modules
        }
        packaged.pop(prefix, None)
        yield from packaged
        yield from [name for name in list(self._space.externs) if name not in packaged]

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def copy(self) -> dict[str, ModuleType]:
        """The modules by name as a dictionary of its own."""
        return dict(self)

    def __repr__(self) -> str:
        return f"<modules of {self._space.prefix}: {len(self)}>"

    def _mangled(self, name: str) -> str:
        prefix = self._space.prefix
        return name if name == prefix or name.startswith(f"{prefix}.") else self._space.mangle(name)
