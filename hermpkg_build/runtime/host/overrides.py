"""The host modules that packaged code sees with some attributes replaced, and what makes the replacements."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TypeAlias

from hermpkg_build.runtime.host import importlib_views
from hermpkg_build.runtime.importing.module_views import Overrides
from hermpkg_build.runtime.importing.space import ModuleSpace

Maker: TypeAlias = Callable[[ModuleSpace, ModuleType], Overrides]


def _loaded_when_called(module: str, function: str) -> Maker:
    """Make a function of a file in this folder that is loaded at its first call: few packages need it."""

    def overrides(space: ModuleSpace, host: ModuleType) -> Overrides:
        make: Maker = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        return make(space, host)

    return overrides


_metadata = _loaded_when_called("metadata_views", "metadata_overrides")
_pickle = _loaded_when_called("pickle_views", "pickle_overrides")
_torch = _loaded_when_called("torch_views", "torch_overrides")

OVERRIDES: Mapping[str, Maker] = {
    "_pickle": _pickle,
    "importlib": importlib_views.importlib_overrides,
    "importlib.util": importlib_views.util_overrides,
    "importlib.machinery": _loaded_when_called("source_files", "machinery_overrides"),
    "importlib.metadata": _metadata,
    "importlib.resources": importlib_views.resources_overrides,
    "importlib_metadata": _metadata,
    "importlib_resources": importlib_views.resources_overrides,
    "pickle": _pickle,
    "pkgutil": _loaded_when_called("pkgutil_views", "pkgutil_overrides"),
    "pydoc": _loaded_when_called("pkgutil_views", "pydoc_overrides"),
    "runpy": importlib_views.runpy_overrides,
    "sys": importlib_views.sys_overrides,
    "torch": _torch,
    "torch.classes": _torch,
    "torch.export": _torch,
    "torch.library": _torch,
    "torch.ops": _torch,
    "torch.utils": _torch,
    "torch.utils._cxx_pytree": _torch,
    "torch.utils._pytree": _torch,
    "torch.utils.data": _torch,
    "torch.utils.data.datapipes": _torch,
    "torch.utils.data.datapipes._decorator": _torch,
    "torch.utils.pytree": _torch,
}
"""By the name of the host module. Some modules of torch are here only because they lead to others."""
