"""torch.library and torch.ops for packaged code: a name that is taken gets a namespace of the package.

There is one table of operators in the process. The first to register ``ns::op`` has that name, so
that whatever looks it up, serialised graphs among them, finds it. A package that registers the same
name later would be refused, or would replace the operator under everyone's feet: its operator goes
to ``ns__torch_package_3::op`` instead, and its code, which gets torch.ops and torch.library from
here, finds it there by the plain name.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from types import ModuleType
from typing import Any

from hermpkg_build.runtime.host.native_libraries import load_library
from hermpkg_build.runtime.host.operator_names import OperatorNames, exists
from hermpkg_build.runtime.host.standing_classes import StandsForItsBase

# Their first argument is the name of an operator that exists.
_OF_OPERATORS = (
    "get_kernel",
    "impl",
    "impl_abstract",
    "register_autocast",
    "register_autograd",
    "register_fake",
    "register_kernel",
    "register_torch_dispatch",
    "register_vmap",
)
_MAKING_OPERATORS = ("custom_op", "triton_op")
_METHODS = ("_impl_with_aoti_compile", "_register_torch_dispatch_rule", "impl", "register_symm_mem_args")
_OF_TORCH_ITSELF = frozenset({"aten", "higher_order", "prim", "prims", "quantized"})


def library_overrides(names: OperatorNames, host: Any) -> Mapping[str, Any]:
    """The functions and the class of torch.library that take names of operators."""
    overrides: dict[str, Any] = {"Library": _library_class(names, host.Library)}
    for name in _OF_OPERATORS:
        if hasattr(host, name):
            overrides[name] = _with_name(getattr(host, name), "op", names.resolve)
    for name in _MAKING_OPERATORS:
        if hasattr(host, name):
            overrides[name] = _with_name(getattr(host, name), "name", names.place)
    if hasattr(host, "define"):
        overrides["define"] = _defining(names, host.define)
    return overrides


def operators_overrides(names: OperatorNames, host: Any) -> Mapping[str, Any]:
    """The attributes of torch.ops: its namespaces, and what loads shared libraries."""
    return _Namespaces(names, host)


class _Namespaces(Mapping[str, Any]):
    """The namespaces of torch.ops as one package sees them, each made when first asked for.

    Iteration gives the fixed part alone, since any name is a namespace.
    """

    def __init__(self, names: OperatorNames, host: Any) -> None:
        self._names = names
        self._host = host
        self._fixed = {"load_library": functools.partial(load_library, host.load_library)}
        self._views: dict[str, ModuleType] = {}
        self._view_class = _namespace_class(names, host)

    def __contains__(self, name: object) -> bool:
        return (
            name in self._views
            or name in self._fixed
            or (
                isinstance(name, str)
                and not name.startswith("_")
                and name not in _OF_TORCH_ITSELF
                and isinstance(getattr(self._host, name), self._view_class.__base__)
            )
        )

    def __getitem__(self, name: str) -> Any:
        view = self._views.get(name)
        if view is None:
            if name in self._fixed:
                return self._fixed[name]
            view = self._views[name] = self._view_class(name)
        return view

    def __iter__(self) -> Iterator[str]:
        return iter(self._fixed)

    def __len__(self) -> int:
        return len(self._fixed)


def _namespace_class(names: OperatorNames, ops: Any) -> Any:
    """A subclass of torch's class of namespaces whose operators are the package's where it has some."""

    class PackageNamespace(type(ops.aten)):  # type: ignore[misc]
        def __getattr__(self, operator: str) -> Any:
            # Nothing is kept in the namespace: the operator of the name may be another one later.
            has_moved = names.has_moved(f"{self.name}::{operator}")
            return getattr(getattr(ops, names.home(self.name) if has_moved else self.name), operator)

        def __iter__(self) -> Iterator[str]:
            return iter(dir(self))

        def __dir__(self) -> list[str]:
            spaces = (getattr(ops, self.name), getattr(ops, names.home(self.name)))
            return sorted({name for space in spaces for name in space})

    return PackageNamespace


def _library_class(names: OperatorNames, host: Any) -> Any:
    """A subclass of torch.library.Library that registers in the package's own namespace what is taken."""

    class Library(host, metaclass=StandsForItsBase):  # type: ignore[misc]
        def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
            self._plain = ns
            self._is_home = False
            self._beside: Any = None
            try:
                super().__init__(ns, kind, dispatch_key)
            except RuntimeError:
                if kind != "DEF" or names.is_own(ns):
                    raise
                super().__init__(names.home(ns), kind, dispatch_key)
                names.move_namespace(ns)
                self._is_home = True
            else:
                if kind == "DEF":
                    names.note_own(ns)

        def at_home(self) -> Any:
            """The library that registers in the package's own namespace: this one, or one beside it."""
            if self._is_home:
                return super()
            if self._beside is None:
                kind = "FRAGMENT" if self.kind == "DEF" else self.kind
                self._beside = host(names.home(self._plain), kind, self.dispatch_key)
            return self._beside

        def define(self, schema: str, *args: Any, **kwargs: Any) -> Any:
            schema = schema.removeprefix(f"{self._plain}::")
            name = f"{self._plain}::{schema.partition('(')[0].strip()}"
            if not names.belongs_home(name) and names.claim(name):
                try:
                    result = super().define(schema, *args, **kwargs)
                except RuntimeError:
                    if names.is_own(name) or not exists(name):
                        raise
                else:
                    names.note_own(name)
                    return result
            result = self.at_home().define(schema, *args, **kwargs)
            names.move(name)
            return result

        def _destroy(self) -> None:
            super()._destroy()
            if self._beside is not None:
                self._beside._destroy()

        def _register_fake(self, op_name: str, fn: Any, _stacklevel: int = 1, **kwargs: Any) -> Any:
            library, name = self.route(op_name)
            return library._register_fake(name, fn, _stacklevel + 1, **kwargs)

        def route(self, op_name: Any) -> tuple[Any, Any]:
            """The library of torch that has the operator `op_name`, and its name there."""
            if not isinstance(op_name, str):
                return super(), op_name
            bare = op_name.rpartition("::")[2]
            return (self.at_home() if names.has_moved(f"{self._plain}::{bare}") else super()), bare

    for name in _METHODS:
        if hasattr(host, name):
            setattr(Library, name, _routed(getattr(host, name)))
    return Library


def _routed(method: Callable[..., Any]) -> Callable[..., Any]:
    """A method of a Library that takes the name of an operator, on the library that has the operator."""

    @functools.wraps(method)
    def routed(self: Any, op_name: Any, *args: Any, **kwargs: Any) -> Any:
        library, name = self.route(op_name)
        return getattr(library, method.__name__)(name, *args, **kwargs)

    return routed


def _with_name(
    function: Callable[..., Any], keyword: str, rename: Callable[[str], str]
) -> Callable[..., Any]:
    """`function` of torch.library with the plain name of an operator understood as its first argument."""

    @functools.wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Any:
        operator, *others = args or [kwargs.pop(keyword)]
        return function(rename(operator) if _is_name(operator) else operator, *others, **kwargs)

    return bound


def _defining(names: OperatorNames, function: Callable[..., Any]) -> Callable[..., Any]:
    """torch.library.define: a Library that is passed finds the place itself."""

    @functools.wraps(function)
    def define(qualname: Any, *args: Any, **kwargs: Any) -> Any:
        takes_place = _is_name(qualname) and kwargs.get("lib") is None
        return function(names.place(qualname) if takes_place else qualname, *args, **kwargs)

    return define


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.count("::") == 1
