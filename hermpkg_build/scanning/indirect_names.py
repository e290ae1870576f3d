"""Names of the standard library with which a pickle reaches what it does not name."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

from hermpkg_build.scanning.known_names import MOST_SEGMENTS, TWINS

_BY_INDIRECTION = """
    builtins.getattr builtins.setattr builtins.delattr builtins.map builtins.filter builtins.apply
    builtins.input builtins.reduce builtins.sorted builtins.min builtins.max builtins.help builtins.dir
    builtins.__dict__ operator.attrgetter operator.methodcaller operator.call operator.setitem
    operator.delitem functools.reduce types.MethodType importlib sys os posix nt string.Formatter
    pkgutil shutil threading unittest.mock idlelib lib2to3 test _winapi asyncio inspect.getmodule
    inspect.getattr_static copyreg.constructor
"""


@cache
def _indirect() -> frozenset[str]:
    return frozenset(_BY_INDIRECTION.split())


def reaches_others(module: str, name: str) -> bool:
    """Whether what a pickle names can call, get or change other functions and modules by their names."""
    name = ".".join(f"{TWINS.get(module, module)}.{name}".split(".", MOST_SEGMENTS)[:MOST_SEGMENTS])
    return name in _indirect() or any(parent in _indirect() for parent in _parents(name))


def _parents(name: str) -> Iterator[str]:
    while name := name.rpartition(".")[0]:
        yield name
