"""The unpicklers that packaged code gets: plain names in a pickle mean modules of its package.

Objects may keep pickles among their bytes, and files hold pickles that were written where the code was
not packaged. Names in these mean to packaged code what they mean in its import statements.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

from hermpkg_build.runtime.host.standing_classes import StandsForItsBase
from hermpkg_build.runtime.importing.imports import holds, import_module
from hermpkg_build.runtime.importing.module_views import Overrides
from hermpkg_build.runtime.importing.space import ModuleSpace

_CLASSES = ("Unpickler", "_Unpickler")


def pickle_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """The attributes that replace the unpicklers and the loading functions of pickle, `host`."""
    classes = {name: _unpickler(space, getattr(host, name)) for name in _CLASSES if hasattr(host, name)}
    unpickler = classes["Unpickler"]

    def load(file: Any, **options: Any) -> Any:
        return unpickler(file, **options).load()

    def loads(data: Any, /, **options: Any) -> Any:
        if isinstance(data, str):
            raise TypeError("a bytes-like object is required, not 'str'")
        return unpickler(io.BytesIO(data), **options).load()

    functions = {"load": _InPlaceOf(host.load, load), "loads": _InPlaceOf(host.loads, loads)}
    return {**classes, **functions}


def _unpickler(space: ModuleSpace, base: Any) -> Callable[..., Any]:
    class Unpickler(base, metaclass=StandsForItsBase):  # type: ignore[misc]
        """Finds packaged modules in the package, and everything else where the host's unpickler does."""

        def find_class(self, module: str, name: str, /) -> Any:
            if not holds(space, module) or space.tree.is_extern(module):
                return super().find_class(module, name)
            return functools.reduce(getattr, name.split("."), import_module(space, module))

    return Unpickler


class _InPlaceOf:
    """A function in place of one of the host's; pickles as the host's, because ``__reduce__`` may give it."""

    def __init__(self, host: Any, function: Callable[..., Any]) -> None:
        functools.update_wrapper(self, host)
        self._name = f"{host.__module__}:{host.__qualname__}"
        self._function = function

    def __call__(self, /, *args: Any, **options: Any) -> Any:
        return self._function(*args, **options)

    def __reduce__(self) -> tuple[Callable[[str], Any], tuple[str]]:
        import pkgutil

        return pkgutil.resolve_name, (self._name,)
