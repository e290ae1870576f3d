"""Classes and functions in pickles: the names they can be imported by again, and the opcodes for these."""

from __future__ import annotations

import functools
import pickle
import sys
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeAlias

from hermpkg_build.core.module_names import package_of_private_part, top_of
from hermpkg_build.pickles import opcodes as op
from hermpkg_build.pickles.output import Pieces
from hermpkg_build.pickles.pickled import GlobalReference

ResolveGlobal: TypeAlias = Callable[[Any, str, str], "tuple[str, str]"]


class GlobalWriter:
    """Writes the names of classes and functions to an output; `written` are those that it wrote so far."""

    def __init__(self, out: Pieces, protocol: int, resolve: ResolveGlobal | None) -> None:
        self.written: set[GlobalReference] = set()
        self._found: dict[int, tuple[str, str]] = {}
        self._out = out
        self._protocol = protocol
        self._resolve = resolve

    def write(self, obj: object, name: str | None = None) -> None:
        """Write the name of `obj`, which it calls `name` where its ``__reduce__`` said so."""
        found = self._found.get(id(obj))
        if found is None:
            self._out.settle()
            found = self._found[id(obj)] = self._find(obj, name)
            self._out.alive.append(obj)
        self.write_name(*found)

    def key_of(self, obj: object) -> tuple[str, str] | None:
        """The key that the value `obj` has in the output; None where it was not written."""
        return self._found.get(id(obj))

    def _find(self, obj: object, name: str | None) -> tuple[str, str]:
        if self._resolve is None:
            return find_global(obj, name)
        own_module = getattr(obj, "__module__", None) or ""
        return self._resolve(obj, own_module, name or _own_name(obj))

    def write_name(self, module: str, qualname: str) -> None:
        """Write a name that is known to be right."""
        out = self._out
        key = (module, qualname)
        if out.refer_to_value(key):
            return
        scope, dot, last = qualname.rpartition(".")
        if dot:
            # GLOBAL does not follow dots in protocol 3, and torch's importer follows them in none.
            self.write_name("builtins", "getattr")
            self.write_name(module, scope)
            out.text(last)
            out.append(op.TUPLE_OF[2] + pickle.REDUCE)
        elif self._protocol >= 4:
            out.text(module)
            out.text(qualname)
            out.append(pickle.STACK_GLOBAL)
        else:
            out.append(op.encode_global(module, qualname))
        out.memoise_value(key)
        self.written.add(GlobalReference(module, qualname))


def find_global(obj: object, name: str | None = None) -> tuple[str, str]:
    """The module and qualified name that lead to `obj`, and to no other object.

    `name` is given where `__reduce__` returned one. Raises pickle.PicklingError with the reason.
    """
    qualname = name or _own_name(obj)
    if not qualname:
        raise pickle.PicklingError("it has no name to import it by")
    if qualname.rpartition(".")[2] == "<lambda>":
        raise pickle.PicklingError(f"a lambda cannot be imported by name{_defined_at(obj)}")
    scope, inside_function, _ = qualname.partition(".<locals>.")
    if inside_function:
        kind = "a class" if isinstance(obj, type) else "a function"
        raise pickle.PicklingError(
            f"{kind} defined inside the function {scope} cannot be imported by name{_defined_at(obj)}"
        )
    module = getattr(obj, "__module__", None) or _owner(obj, qualname)
    _check(obj, module, qualname)
    package = package_of_private_part(module)
    # Other versions of Python have no such part, but the package has its names.
    return package if package and _holds(sys.modules.get(package), qualname, obj) else module, qualname


def _own_name(obj: object) -> str:
    """The ``__qualname__`` or ``__name__`` of `obj`, "" for none."""
    name: str = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None) or ""
    return name


def _check(obj: object, module: str, qualname: str) -> None:
    try:
        __import__(module)
    except ImportError as error:
        raise pickle.PicklingError(f"its module {module} cannot be imported: {error}") from error
    try:
        found: object = functools.reduce(getattr, qualname.split("."), sys.modules[module])
    except AttributeError:
        raise pickle.PicklingError(f"module {module} has no {qualname}{_defined_at(obj)}") from None
    if found is not obj:
        raise pickle.PicklingError(
            f"{module}.{qualname} is now another object than this one{_defined_at(obj)}"
        )


def _owner(obj: object, qualname: str) -> str:
    """The module that holds an object without a ``__module__``.

    Among all loaded modules that do, one of the library that made the object's type comes first,
    then the one with the shortest dotted name, so that neither the order of imports nor a user's
    ``from numpy import add`` decides.
    """
    library = top_of(type(obj).__module__)
    holders = [name for name, module in list(sys.modules.items()) if _holds(module, qualname, obj)]
    candidates = [
        (top_of(name) != library, name.count("."), name)
        for name in holders
        if name not in ("__main__", "__mp_main__")
    ]
    if not candidates:
        raise pickle.PicklingError(f"no module has it under the name {qualname}")
    return min(candidates)[2]


def _holds(module: object, qualname: str, obj: object) -> bool:
    try:
        return functools.reduce(getattr, qualname.split("."), module) is obj
    except Exception:  # noqa: BLE001 - a lazy module may run any code in __getattr__
        return False


def _defined_at(obj: object) -> str:
    """Where a Python function was written, as a remark for a message."""
    # Only such a function is asked: other objects may answer anything, or raise.
    if not isinstance(obj, FunctionType):
        return ""
    return f" (defined at {obj.__code__.co_filename}:{obj.__code__.co_firstlineno})"
