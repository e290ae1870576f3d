"""torch.library and torch.ops for packaged code: operators whose names are taken go to private namespaces.

A process has one table of operators. The first to register ``ns::op`` has that name, so that
whatever looks it up, serialised graphs among them, finds it. A package that registers the same
name later would be refused, or would replace the operator for everyone: its operator goes to
``ns__torch_package_3::op`` instead, and its code, which gets torch.ops and torch.library from
here, finds it there by the plain name.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from hermpkg_build.runtime.host.native_libraries import load_library
from hermpkg_build.runtime.host.operator_names import OperatorNames, exists
from hermpkg_build.runtime.host.standing_classes import StandsForItsBase

# Functions of torch.library whose first argument, `op`, names an operator that exists.
_FUNCTIONS_OF_OPERATORS = (
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
# Those whose first argument, `name`, names a new one.
_MAKERS_OF_OPERATORS = ("custom_op", "triton_op")
_METHODS_OF_LIBRARY = (
    "_impl_with_aoti_compile",
    "_register_torch_dispatch_rule",
    "impl",
    "register_symm_mem_args",
)
_NAMESPACES_OF_TORCH = frozenset({"aten", "higher_order", "prim", "prims", "quantized"})


def library_overrides(names: OperatorNames, host: Any) -> Mapping[str, Any]:
    """Make what stands for the functions and the class of torch.library that take names of operators."""
    overrides: dict[str, Any] = {"Library": _library_class(names, host.Library)}
    for keyword, rename, functions in (
        ("op", names.resolve, _FUNCTIONS_OF_OPERATORS),
        ("name", names.name_for_new, _MAKERS_OF_OPERATORS),
    ):
        for name in functions:
            if hasattr(host, name):
                overrides[name] = _with_name(getattr(host, name), keyword, rename)
    if hasattr(host, "define"):
        overrides["define"] = _defining(names, host.define)
    return overrides


def operators_overrides(names: OperatorNames, host: Any) -> Mapping[str, Any]:
    """Make what stands for the attributes of torch.ops: its namespaces, and `load_library`."""
    return _Namespaces(names, host)


class _Namespaces(dict[str, Any]):
    """The namespaces of torch.ops as one package sees them, each made when first asked for."""

    def __init__(self, names: OperatorNames, host: Any) -> None:
        super().__init__(load_library=functools.partial(load_library, host.load_library))
        self._host = host
        self._namespace_class = _namespace_class(names, host)

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or (
            isinstance(name, str)
            and not name.startswith("_")
            and name not in _NAMESPACES_OF_TORCH
            and isinstance(getattr(self._host, name), self._namespace_class.__base__)
        )

    def __missing__(self, name: str) -> Any:
        return self.setdefault(name, self._namespace_class(name))


def _namespace_class(names: OperatorNames, ops: Any) -> Any:
    """Make a subclass of torch's class of namespaces that looks first among the package's own operators."""

    class PackageNamespace(type(ops.aten)):  # type: ignore[misc]
        def __getattr__(self, operator: str) -> Any:
            # The operator is not kept in the namespace: the name may mean another one later.
            name = f"{self.name}::{operator}"
            private = getattr(ops, names.private_namespace(self.name))
            if names.is_private(name):
                return getattr(private, operator)
            packet = getattr(getattr(ops, self.name), operator)
            if names.has_private_overloads(name):
                return _ExtendedOperator(names.private_name(name), getattr(private, operator), packet)
            return packet

        def __iter__(self) -> Iterator[str]:
            return iter(dir(self))

        def __dir__(self) -> list[str]:
            spaces = (getattr(ops, self.name), getattr(ops, names.private_namespace(self.name)))
            return sorted({name for space in spaces for name in space})

    return PackageNamespace


class _ExtendedOperator:
    """An operator of others with overloads that the package has added privately, as others have the same."""

    def __init__(self, private_name: str, private: Any, packet: Any) -> None:
        self._private_name = private_name
        self._private = private
        self._packet = packet

    def __getattr__(self, overload: str) -> Any:
        return getattr(self._private if hasattr(self._private, overload) else self._packet, overload)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            sys.modules["torch"]._C._jit_resolve_packet(self._private_name, *args, **kwargs)
        except RuntimeError:  # None of the private overloads takes such arguments.
            return self._packet(*args, **kwargs)
        return self._private(*args, **kwargs)


def _library_class(names: OperatorNames, host: Any) -> Any:
    """Make a subclass of torch.library.Library that registers taken names in the private namespace."""

    class Library(host, metaclass=StandsForItsBase):  # type: ignore[misc]
        def __init__(self, ns: str, kind: str, dispatch_key: str = "") -> None:
            self._namespace = ns
            self._is_private = False
            self._private: Any = None
            try:
                super().__init__(ns, kind, dispatch_key)
            except RuntimeError:
                if kind != "DEF" or ns in names.namespaces:
                    raise
                super().__init__(names.private_namespace(ns), kind, dispatch_key)
                names.private_namespaces.add(ns)
                self._is_private = True
            else:
                if kind == "DEF":
                    names.namespaces.add(ns)

        def private_library(self) -> Any:
            """The library that registers in the private namespace: this one, or a second one."""
            if self._is_private:
                return super()
            if self._private is None:
                kind = "FRAGMENT" if self.kind == "DEF" else self.kind
                self._private = host(names.private_namespace(self._namespace), kind, self.dispatch_key)
            return self._private

        def define(self, schema: str, *args: Any, **kwargs: Any) -> Any:
            schema = schema.removeprefix(f"{self._namespace}::")
            name = f"{self._namespace}::{schema.partition('(')[0].strip()}"
            if not names.becomes_private(name) and names.claim(name):
                try:
                    return super().define(schema, *args, **kwargs)
                except RuntimeError:
                    if names.is_own(name) or not exists(name):
                        raise
            result = self.private_library().define(schema, *args, **kwargs)
            names.make_private(name)
            return result

        def _destroy(self) -> None:
            super()._destroy()
            if self._private is not None:
                self._private._destroy()

        def _register_fake(self, op_name: str, fn: Any, _stacklevel: int = 1, **kwargs: Any) -> Any:
            library, name = self.route(op_name)
            return library._register_fake(name, fn, _stacklevel + 1, **kwargs)

        def route(self, op_name: Any) -> tuple[Any, Any]:
            """The library of torch that has the operator `op_name`, and its name there."""
            if not isinstance(op_name, str):
                return super(), op_name
            bare = op_name.rpartition("::")[2]
            is_private = names.is_private(f"{self._namespace}::{bare}")
            return self.private_library() if is_private else super(), bare

    for name in _METHODS_OF_LIBRARY:
        if hasattr(host, name):
            setattr(Library, name, _routed(getattr(host, name)))
    return Library


def _routed(method: Callable[..., Any]) -> Callable[..., Any]:
    """Make `method`, which takes the name of an operator, run on the library that has the operator."""

    @functools.wraps(method)
    def routed(self: Any, op_name: Any, *args: Any, **kwargs: Any) -> Any:
        library, name = self.route(op_name)
        return getattr(library, method.__name__)(name, *args, **kwargs)

    return routed


def _with_name(
    function: Callable[..., Any], keyword: str, rename: Callable[[str], str]
) -> Callable[..., Any]:
    """Make `function` of torch.library take the plain name of an operator as its argument `keyword`."""

    @functools.wraps(function)
    def bound(*args: Any, **kwargs: Any) -> Any:
        operator, *others = args or [kwargs.pop(keyword)]
        return function(rename(operator) if _is_name(operator) else operator, *others, **kwargs)

    return bound


def _defining(names: OperatorNames, function: Callable[..., Any]) -> Callable[..., Any]:
    """Make torch.library.define take a plain name; a Library that is passed resolves the name itself."""

    @functools.wraps(function)
    def define(qualname: Any, *args: Any, **kwargs: Any) -> Any:
        takes_name = _is_name(qualname) and kwargs.get("lib") is None
        return function(names.name_for_new(qualname) if takes_name else qualname, *args, **kwargs)

    return define


def _is_name(value: object) -> bool:
    return isinstance(value, str) and value.count("::") == 1
