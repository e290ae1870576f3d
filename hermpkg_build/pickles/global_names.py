"""Writing classes and functions by the names they are imported by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from hermpkg_build.pickles import opcodes as op
from hermpkg_build.pickles.globals import find_global, own_name
from hermpkg_build.pickles.output import Output
from hermpkg_build.pickles.pickled import GlobalReference

ResolveGlobal: TypeAlias = Callable[[Any, str, str], "tuple[str, str]"]


class Names:
    """Writes globals to an output and remembers which."""

    def __init__(self, out: Output, protocol: int, resolve: ResolveGlobal | None) -> None:
        self.written: set[GlobalReference] = set()
        self._found: dict[int, tuple[str, str]] = {}
        self._out = out
        self._protocol = protocol
        self._resolve = resolve

    def write(self, obj: object, name: str | None = None) -> None:
        """Write the name of `obj`, which it calls `name` where its ``__reduce__`` said so."""
        found = self._found.get(id(obj))
        if found is None:
            found = self._found[id(obj)] = self._find(obj, name)
            self._out.alive.append(obj)
        self.write_name(*found)

    def _find(self, obj: object, name: str | None) -> tuple[str, str]:
        if self._resolve is None:
            return find_global(obj, name)
        own_module = getattr(obj, "__module__", None) or ""
        return self._resolve(obj, own_module, name or own_name(obj))

    def write_name(self, module: str, qualname: str) -> None:
        """Write a name, of which no more is asked."""
        out = self._out
        key = (module, qualname)
        if out.written(out.by_value, key):
            return
        scope, dot, last = qualname.rpartition(".")
        if self._protocol >= 4:
            out.text(module)
            out.text(qualname)
            out.append(op.STACK_GLOBAL)
        elif dot:
            # GLOBAL does not follow dots in protocol 3.
            self.write_name("builtins", "getattr")
            self.write_name(module, scope)
            out.text(last)
            out.append(op.TUPLE_OF[2] + op.REDUCE)
        else:
            out.append(op.encode_global(module, qualname))
        out.memoise_value(key)
        self.written.add(GlobalReference(module, qualname))
