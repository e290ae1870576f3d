"""Sources outside of the artifact that packaged code runs: what it has written itself, or a user's plugin."""

from __future__ import annotations

import weakref
from importlib.machinery import SourceFileLoader
from types import CodeType, ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hermpkg_build.runtime.importing.space import ModuleSpace


class OutsideSourceLoader(SourceFileLoader):
    """Runs a file as code of the package: it imports what that imports.

    It refers to the space weakly, as caches of the standard library keep loaders.
    """

    def __init__(self, space: ModuleSpace, name: str, path: str) -> None:
        super().__init__(name, path)
        self._space = weakref.ref(space)

    def exec_module(self, module: ModuleType) -> None:
        """Run the file in the namespace of `module`. Raises ImportError once the importer is gone."""
        prepare_outside(self._open_space(), module, self.get_data(self.path))
        super().exec_module(module)

    def source_to_code(self, data: Any, path: Any, *more: Any) -> CodeType:  # type: ignore[override]
        """As the base class, with names of packaged modules in `data` understood."""
        return super().source_to_code(plain_source(self._open_space(), data), path, *more)

    def _open_space(self) -> ModuleSpace:
        space = self._space()
        if space is None:
            raise ImportError(f"the importer of the package that loads {self.path} is gone")
        return space


def prepare_outside(space: ModuleSpace, module: ModuleType, source: bytes) -> None:
    """Have `source`, which is about to be run in the namespace of `module`, see what packaged code sees."""
    space.views.note_source(module.__name__, source)
    vars(module)["__builtins__"] = space.builtins


def plain_source(space: ModuleSpace, source: Any) -> Any:
    """`source` with the plain names of packaged modules in the place of mangled ones.

    Code that writes code takes them from ``__module__`` and ``__name__``. No statement can import
    a mangled name; the plain one leads to the same module.
    """
    if isinstance(source, (bytes, bytearray)):
        return bytes(source).replace(f"{space.prefix}.".encode(), b"")
    return source
