"""Writes values as Python expressions: plain ones, containers of them, and what can be imported by name."""

from __future__ import annotations

import enum
import logging
import math
import re
import sys
from collections.abc import Callable, Iterable
from functools import reduce
from pathlib import PurePath
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, TypeAlias

from hermpkg_build.dataclass import dataclass

_MOST_NUMBERS = 4096
_LONGEST = 1 << 16

LocalName: TypeAlias = "Callable[[Any], str | None]"
"""The name under which a class or function is there without an import; None for any other."""


class Unwritable(Exception):  # noqa: N818 - it is caught where a value may be made in another way
    """A value that no expression stands for; its text says which part is at fault."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """An expression with the import statements that it needs, and the names that must be there for it."""

    text: str
    imports: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


def written(value: Any, local_name: LocalName) -> Expression:
    """The expression that makes a value again, equal and of the same type. Raises Unwritable.

    >>> written({"lr": 0.1, "sizes": (1, 2)}, lambda _: None).text
    "{'lr': 0.1, 'sizes': (1, 2)}"
    """
    imports: set[str] = set()
    names: set[str] = set()
    text = _Words(imports, names, local_name).write(value, ())
    if len(text) > _LONGEST:
        raise Unwritable(f"{len(text):,} characters long when it is written down")
    return Expression(text=text, imports=frozenset(imports), names=frozenset(names))


def imported_as(name: str, value: Any, main: str) -> str | None:
    """The statement that gives `name` a value that is a module, or that a module other than `main` has."""
    if isinstance(value, ModuleType):
        if value.__name__ == name:
            return f"import {name}"
        if "." not in value.__name__ or _leads_to(value.__name__, value):
            return f"import {value.__name__} as {name}"
        return None
    found = _home_of(value, main)
    if found is None:
        return None
    module, qualname = found
    if "." in qualname:
        return None
    return f"from {module} import {qualname}" + (f" as {name}" if qualname != name else "")


def _leads_to(dotted: str, value: object) -> bool:
    return sys.modules.get(dotted) is value


def _home_of(value: Any, main: str) -> tuple[str, str] | None:
    """The module that has a class or function under its own name, and the name."""
    if not isinstance(value, (type, FunctionType, BuiltinFunctionType)) and not hasattr(
        value, "__qualname__"
    ):
        return None
    module, qualname = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(qualname, str) or module == main:
        return None
    try:
        found = reduce(getattr, qualname.split("."), sys.modules[module])
    except (AttributeError, KeyError):
        return None
    return (module, qualname) if found is value else None


class _Words:
    """Writes one value, and collects what its expression needs."""

    def __init__(self, imports: set[str], names: set[str], local_name: LocalName) -> None:
        self._imports = imports
        self._names = names
        self._local_name = local_name

    def write(self, value: Any, above: tuple[int, ...]) -> str:
        """The expression for a value; `above` are the ids of the containers that it is in."""
        kind = type(value)
        if kind in (bool, int, str, bytes, type(None), type(...)):
            return repr(value)
        if kind is float:
            return repr(value) if math.isfinite(value) else f'float("{value!r}")'
        if kind is complex:
            return f"complex({self.write(value.real, above)}, {self.write(value.imag, above)})"
        if id(value) in above:
            raise Unwritable("it holds itself")
        inside = (*above, id(value))
        if kind in (list, tuple, set, frozenset, dict):
            return self._container(value, inside)
        return self._named(value) or self._known(value, inside)

    def _container(self, value: Any, inside: tuple[int, ...]) -> str:
        if type(value) is dict:
            pairs = (f"{self.write(k, inside)}: {self.write(v, inside)}" for k, v in value.items())
            return "{" + ", ".join(pairs) + "}"
        parts: Iterable[str] = [self.write(part, inside) for part in value]
        if type(value) is list:
            return f"[{', '.join(parts)}]"
        if type(value) is tuple:
            return f"({', '.join(parts)}{',' * (len(value) == 1)})"
        text = ", ".join(sorted(parts))
        if type(value) is frozenset:
            return f"frozenset([{text}])"
        return "{" + text + "}" if text else "set()"

    def _named(self, value: Any) -> str:
        """The name of a class, a function, a module or a member of an enumeration; "" for anything else."""
        local = self._local_name(value)
        if local is not None:
            self._names.add(local.partition(".")[0])
            return local
        if isinstance(value, ModuleType):
            self._imports.add(f"import {value.__name__}")
            return value.__name__
        if isinstance(value, enum.Enum) and not isinstance(value, enum.Flag):
            return f"{self.write(type(value), ())}[{value.name!r}]"
        found = _home_of(value, "__main__")
        if found is None:
            return ""
        module, qualname = found
        if module == "builtins":
            return qualname
        self._imports.add(f"import {module}")
        return f"{module}.{qualname}"

    def _known(self, value: Any, inside: tuple[int, ...]) -> str:
        """The call that makes a value of a well-known type."""
        kind = type(value)
        torch: Any = sys.modules.get("torch")
        if torch is not None and kind in (torch.dtype, torch.layout, torch.memory_format):
            self._imports.add("import torch")
            return str(value)
        if torch is not None and kind is torch.device:
            self._imports.add("import torch")
            return f"torch.device({str(value)!r})"
        if torch is not None and kind is torch.Size:
            self._imports.add("import torch")
            return f"torch.Size({self.write([*value], inside)})"
        if torch is not None and kind is torch.Tensor:
            return self._tensor(value, torch)
        if isinstance(value, logging.Logger) and logging.getLogger(value.name) is value:
            self._imports.add("import logging")
            return f"logging.getLogger({value.name!r})"
        if isinstance(value, PurePath):
            self._imports.add("import pathlib")
            return f"pathlib.{kind.__name__.removeprefix('Posix').removeprefix('Windows')}({str(value)!r})"
        if kind is re.Pattern:
            self._imports.add("import re")
            return f"re.compile({value.pattern!r}, {value.flags & ~re.UNICODE})"
        if kind in (range, slice):
            arguments = (value.start, value.stop, value.step)
            return f"{kind.__name__}({', '.join(self.write(part, inside) for part in arguments)})"
        raise Unwritable(f"{kind.__module__}.{kind.__qualname__}")

    def _tensor(self, value: Any, torch: Any) -> str:
        plain = value.layout is torch.strided and value.device.type == "cpu" and not value.requires_grad
        if not plain or value.numel() > _MOST_NUMBERS or value.is_quantized:
            raise Unwritable(f"a tensor of the shape {tuple(value.shape)}")
        self._imports.add("import torch")
        return f"torch.tensor({self.write(value.tolist(), ())}, dtype={value.dtype})"
