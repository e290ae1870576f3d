"""The host modules that packaged code sees with some attributes replaced, and what makes the replacements."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

from hermpkg_build.runtime.host import importlib_views
from hermpkg_build.runtime.importing.module_views import Overrides
from hermpkg_build.runtime.importing.space import ModuleSpace

# Few packages import these modules of the host: the code that handles them is loaded when one does.


def _machinery(space: ModuleSpace, host: Any) -> Overrides:
    from hermpkg_build.runtime.host.source_files import machinery_overrides

    return machinery_overrides(space, host)


def _metadata(space: ModuleSpace, host: Any) -> Overrides:
    from hermpkg_build.runtime.host.metadata_views import metadata_overrides

    return metadata_overrides(space, host)


def _pickle(space: ModuleSpace, host: Any) -> Overrides:
    from hermpkg_build.runtime.host.pickle_views import pickle_overrides

    return pickle_overrides(space, host)


def _pkgutil(space: ModuleSpace, host: Any) -> Overrides:
    from hermpkg_build.runtime.host.pkgutil_views import pkgutil_overrides

    return pkgutil_overrides(space, host)


def _pydoc(space: ModuleSpace, host: Any) -> Overrides:
    from hermpkg_build.runtime.host.pkgutil_views import pydoc_overrides

    return pydoc_overrides(space, host)


def _torch(space: ModuleSpace, host: Any) -> Overrides:
    from hermpkg_build.runtime.host.torch_views import torch_overrides

    return torch_overrides(space, host)


OVERRIDES: Mapping[str, Callable[[ModuleSpace, ModuleType], Overrides]] = {
    "_pickle": _pickle,
    "importlib": importlib_views.importlib_overrides,
    "importlib.util": importlib_views.util_overrides,
    "importlib.machinery": _machinery,
    "importlib.metadata": _metadata,
    "importlib.resources": importlib_views.resources_overrides,
    "importlib_metadata": _metadata,
    "pickle": _pickle,
    "pkgutil": _pkgutil,
    "pydoc": _pydoc,
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
