"""What packaged code gets of the modules of torch in which it registers by name: taken names are kept apart.

A registration by class or function needs no such care: each copy of a module has its own.
"""

from __future__ import annotations

import functools
import sys
import weakref
from collections.abc import Callable
from typing import Any

from hermpkg_build.runtime.host.native_libraries import load_library
from hermpkg_build.runtime.host.operator_names import OperatorNames
from hermpkg_build.runtime.host.standing_classes import StandsForItsBase
from hermpkg_build.runtime.host.torch_operators import library_overrides, operators_overrides
from hermpkg_build.runtime.importing.module_views import Overrides
from hermpkg_build.runtime.importing.space import ModuleSpace
from hermpkg_build.runtime.mangling import mangle_prefix

_NODE_FUNCTIONS = (
    "register_pytree_node",
    "_register_pytree_node",
    "_register_namedtuple",
    "register_dataclass",
)
_operator_names: weakref.WeakKeyDictionary[ModuleSpace, OperatorNames] = weakref.WeakKeyDictionary()


def torch_overrides(space: ModuleSpace, host: Any) -> Overrides:
    """Make what replaces attributes of the torch module `host`: nothing where it only leads to others."""
    if host.__name__ == "torch.classes":  # Only shared libraries register its classes.
        return {"load_library": functools.partial(load_library, host.load_library)}
    if host.__name__ in ("torch.library", "torch.ops"):
        names = _operator_names.setdefault(space, OperatorNames(space.prefix))
        overrides = library_overrides if host.__name__ == "torch.library" else operators_overrides
        return overrides(names, host)
    functions = {
        name: _with_free_type_name(space, getattr(host, name))
        for name in _NODE_FUNCTIONS
        if hasattr(host, name)
    }
    if hasattr(host, "functional_datapipe"):
        functions["functional_datapipe"] = _functional_datapipe(space, host.functional_datapipe)
    return functions


def _with_free_type_name(space: ModuleSpace, function: Callable[..., Any]) -> Callable[..., Any]:
    """Make `function` of pytree put the package's prefix before a `serialized_type_name` that is taken.

    torch would give the name to the last class, and trees that others have serialised would load as that.
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


def _functional_datapipe(space: ModuleSpace, decorator: Any) -> Any:
    """Make a class that stands for `decorator`, with which torch gives all data pipes a method."""

    class functional_datapipe(decorator, metaclass=StandsForItsBase):  # type: ignore[misc]  # noqa: N801 -- torch's name
        def __call__(self, cls: Any) -> Any:
            bases = sys.modules["torch.utils.data"]
            base = next(
                (base for base in (bases.IterDataPipe, bases.MapDataPipe) if issubclass(cls, base)), None
            )
            first = base.functions.get(self.name) if base is not None else None
            if (
                base is None
                or first is None
                or (isinstance(first, _SharedMethod) and first.has(space.prefix))
            ):
                return super().__call__(cls)

            apart: Any = type("Apart", (base,), {"functions": {}})
            options = (
                {} if base is bases.MapDataPipe else {"enable_df_api_tracing": self.enable_df_api_tracing}
            )
            apart.register_datapipe_as_function(self.name, cls, **options)
            method = first if isinstance(first, _SharedMethod) else _SharedMethod(first)
            method.add(space, apart.functions[self.name])
            base.functions[self.name] = method
            return cls

    return functional_datapipe


class _SharedMethod:
    """A method of data pipes that several packages have defined under the same name.

    A call runs the function of the caller's package; if that has none, that of the pipe's package; if
    that has none either, the function that was registered first. A function is dropped with its package.
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
        """Run `function` for the package of `space`, as long as the package is alive."""
        self._of_packages[space.prefix] = function
        space.kept_alive.append(function)

    def __call__(self, pipe: Any, *args: Any, **kwargs: Any) -> Any:
        caller = str(sys._getframe(1).f_globals.get("__name__"))
        prefixes = (mangle_prefix(caller), mangle_prefix(type(pipe).__module__))
        functions = (self._of_packages.get(prefix) for prefix in prefixes)
        function = next((function for function in functions if function is not None), self._first)
        return function(pipe, *args, **kwargs)
