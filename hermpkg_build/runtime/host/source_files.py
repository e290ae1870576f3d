"""The SourceFileLoader that packaged code gets, for files in the artifact and outside of it.

Outside of it are sources that packaged code has written itself, and a user's plugins.
"""

from __future__ import annotations

import importlib.util
import sys
import weakref
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from hermpkg_build.runtime.host.standing_classes import StandsForItsBase
from hermpkg_build.runtime.importing.module_views import Overrides
from hermpkg_build.runtime.importing.parking import loaded_module
from hermpkg_build.runtime.importing.space import ModuleSpace


def machinery_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """Make what replaces ``importlib.machinery.SourceFileLoader``."""
    return {"SourceFileLoader": source_file_loader(space, host.SourceFileLoader)}


def source_file_loader(space: ModuleSpace, base: Any) -> Any:
    """Make the class that stands for SourceFileLoader, which is `base`, in the package of `space`.

    Its loaders refer to the space weakly, because caches of the standard library (linecache) keep loaders.
    """
    reference = weakref.ref(space)

    class SourceFileLoader(base, metaclass=StandsForItsBase):  # type: ignore[misc]
        """Loads a file of the artifact as a module of the package, and any other as code of the package."""

        def exec_module(self, module: ModuleType) -> None:
            """Run the file in the namespace of `module`. Raises ImportError once the importer is gone."""
            spec = self._packaged_spec(module.__name__)
            if spec is not None:
                module.__spec__ = spec
                _execute(spec, module)
                return
            space = self._space()
            space.views.note_source(module.__name__, self.get_data(self.path))
            vars(module)["__builtins__"] = space.builtins
            super().exec_module(module)

        def load_module(self, fullname: str | None = None) -> Any:
            spec = self._packaged_spec(fullname or self.name)
            if spec is None:
                return super().load_module(fullname)
            module = loaded_module(self._space(), spec.name) or importlib.util.module_from_spec(spec)
            sys.modules[spec.name] = module
            _execute(spec, module)
            return module

        def get_code(self, fullname: str) -> Any:
            spec = self._packaged_spec(fullname)
            if spec is None:
                return super().get_code(fullname)
            return self._space().compile_record(spec.loader_state.record, spec.name)

        def source_to_code(self, data: Any, path: Any, *more: Any) -> Any:
            """Compile `data` as the base class does, with plain names in place of mangled ones.

            Code that writes code takes names from ``__module__`` and ``__name__``. No statement can import
            a mangled name; the plain one leads to the same module.
            """
            if isinstance(data, (bytes, bytearray)):
                data = bytes(data).replace(f"{self._space().prefix}.".encode(), b"")
            return super().source_to_code(data, path, *more)

        def get_data(self, path: str) -> bytes:
            space = reference()
            if space is not None and (record := space.record_at(path)):
                return space.archive.read(record)
            data: bytes = super().get_data(path)
            return data

        def _space(self) -> ModuleSpace:
            space = reference()
            if space is None:
                raise ImportError(f"the importer of the package that loads {self.path} is gone")
            return space

        def _packaged_spec(self, name: str) -> ModuleSpec | None:
            space = self._space()
            record = space.record_at(self.path)
            return space.loader.spec_of_file(space.plain(name), self.path, record) if record else None

    return SourceFileLoader


def _execute(spec: ModuleSpec, module: ModuleType) -> None:
    assert spec.loader is not None
    spec.loader.exec_module(module)
