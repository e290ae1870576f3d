"""Names the classes and functions of ``__main__`` as those of the module that takes their place."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from hermpkg_build.generate.main_module import MAIN, MainModule, module_of
from hermpkg_build.pickles.global_names import find_global
from hermpkg_build.runtime.importer_protocol import Importer


class MainImporter(Importer):
    """An importer that has one module, `main`, and notes there what is asked of it."""

    def __init__(self, main: MainModule) -> None:
        self.main = main
        self.modules: Mapping[str, ModuleType] = {main.name: module_of(main)}

    def import_module(self, module_name: str) -> Any:
        """Give the one module. Raises ModuleNotFoundError for another name."""
        if module_name not in self.modules:
            raise ModuleNotFoundError(f"{module_name} is not {self.main.name}", name=module_name)
        return self.modules[module_name]

    def get_name(self, obj: Any, name: str | None = None) -> tuple[str, str]:
        """Name an object of ``__main__``. Raises PicklingError for any other."""
        if getattr(obj, "__module__", None) != MAIN:
            raise pickle.PicklingError(f"it is not defined in {MAIN}")
        module, qualname = find_global(obj, name)
        self.note(module, qualname)
        return self.main.name, qualname

    def note(self, module: str, qualname: str) -> None:
        """Have the new module hold what a pickle asks of ``__main__``."""
        if module == MAIN:
            self.main.wanted.add(qualname.partition(".")[0])

    def __repr__(self) -> str:
        return MAIN
