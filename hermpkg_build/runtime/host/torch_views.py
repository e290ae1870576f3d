"""Views of the modules of torch in which packaged code registers by name: a name that is taken is kept apart.

What is registered under a class or function needs none of this, for each copy of a module has its own.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from hermpkg_build.runtime.host.standing_classes import StandsForItsBase
from hermpkg_build.runtime.mangling import mangle_prefix

if TYPE_CHECKING:
    from hermpkg_build.runtime.importing.space import ModuleSpace

Overrides = Mapping[str, Any]

_NAMING_NODES = (
    "register_pytree_node",
    "_register_pytree_node",
    "_register_namedtuple",
    "register_dataclass",
)


def unchanged(_space: ModuleSpace, _host: Any) -> Overrides:
    """A package on the way to a module with a view of its own."""
    return {}


def library(space: ModuleSpace, host: Any) -> Overrides:
    """torch.library."""
    # Few packages register operators: only those wait for these modules.
    from hermpkg_build.runtime.host.torch_operators import library_overrides

    return library_overrides(space.operators, host)


def operators(space: ModuleSpace, host: Any) -> Overrides:
    """torch.ops."""
    from hermpkg_build.runtime.host.torch_operators import operators_overrides

    return operators_overrides(space.operators, host)


def classes(_space: ModuleSpace, host: Any) -> Overrides:
    """torch.classes, whose classes only shared libraries register."""
    from hermpkg_build.runtime.host.native_libraries import load_library

    return {"load_library": functools.partial(load_library, host.load_library)}


def pytree(space: ModuleSpace, host: Any) -> Overrides:
    """torch.utils._pytree and its like: nodes have a class for key, and some a name in serialised trees."""
    return {name: _naming_nodes(space, getattr(host, name)) for name in _NAMING_NODES if hasattr(host, name)}


def _naming_nodes(space: ModuleSpace, function: Callable[..., Any]) -> Callable[..., Any]:
    """`function` with a `serialized_type_name` that another class has put under the package's prefix.

    torch would give the name to the last class, and what others have serialised would come back as that.
    """

    @functools.wraps(function)
    def bound(cls: Any, *args: Any, serialized_type_name: str | None = None, **kwargs: Any) -> Any:
        name = serialized_type_name
        if name is not None:
            table = sys.modules["torch.utils._pytree"].SERIALIZED_TYPE_TO_PYTHON_TYPE
            taken = table.get(name, cls) is not cls
            kwargs["serialized_type_name"] = f"{space.prefix}.{name}" if taken else name
        return function(cls, *args, **kwargs)

    return bound


def datapipes(space: ModuleSpace, host: Any) -> Overrides:
    """The modules that have functional_datapipe, which gives all data pipes of the process a method."""

    class functional_datapipe(host.functional_datapipe, metaclass=StandsForItsBase):  # type: ignore[misc]  # noqa: N801 -- torch's name
        def __call__(self, cls: Any) -> Any:
            bases = sys.modules["torch.utils.data"]
            base = next(
                (base for base in (bases.IterDataPipe, bases.MapDataPipe) if issubclass(cls, base)), None
            )
            first = base.functions.get(self.name) if base is not None else None
            if base is None or first is None or (isinstance(first, _Method) and first.has(space.prefix)):
                return super().__call__(cls)

            apart: Any = type("Apart", (base,), {"functions": {}})
            options = (
                {} if base is bases.MapDataPipe else {"enable_df_api_tracing": self.enable_df_api_tracing}
            )
            apart.register_datapipe_as_function(self.name, cls, **options)
            method = first if isinstance(first, _Method) else _Method(first)
            method.add(space, apart.functions[self.name])
            base.functions[self.name] = method
            return cls

    return {"functional_datapipe": functional_datapipe} if hasattr(host, "functional_datapipe") else {}


class _Method:
    """A method of data pipes that several packages have given the same name.

    The caller's package decides; for a caller that has none under this name the pipe's; or else it
    is the first. A package's function goes with the package.
    """

    def __init__(self, first: Callable[..., Any]) -> None:
        functools.update_wrapper(self, first, assigned=("__doc__",), updated=())
        self._first = first
        self._of_packages: weakref.WeakValueDictionary[str, Callable[..., Any]] = (
            weakref.WeakValueDictionary()
        )

    def has(self, prefix: str) -> bool:
        """Whether the package with this prefix has registered a function."""
        return prefix in self._of_packages

    def add(self, space: ModuleSpace, function: Callable[..., Any]) -> None:
        """Have `function` for the package of `space`, as long as there is any of its code."""
        self._of_packages[space.prefix] = function
        space.held.append(function)

    def __call__(self, pipe: Any, *args: Any, **kwargs: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        prefixes = (mangle_prefix(caller), mangle_prefix(type(pipe).__module__))
        functions = (self._of_packages.get(prefix) for prefix in prefixes)
        function = next((function for function in functions if function is not None), self._first)
        return function(pipe, *args, **kwargs)
