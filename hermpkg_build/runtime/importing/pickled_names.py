"""Names of packaged modules that other processes understand: their pickles say where the artifact lies.

A pickle names classes and functions by module. A packaged module's name means nothing to a process
that has not opened the artifact, as a spawned worker; so it pickles (from protocol 4 on, which
multiprocessing uses) as a call that opens the artifact there, once, under the same name. An artifact
in memory is put into a file for that when a worker starts; where none can be opened, the name
pickles with the reason, which the import that fails then gives.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import SupportsIndex

from hermpkg_build.runtime.importing.finder import note_unreachable
from hermpkg_build.runtime.importing.space import OPEN_SPACES
from hermpkg_build.runtime.mangling import demangle, mangle_prefix

_plain: ContextVar[bool] = ContextVar("_plain", default=False)


@contextmanager
def plain_names() -> Iterator[None]:
    """Names that this thread pickles meanwhile are plain, for the pickle goes into a package of its own."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


class _Prefix(str):
    """The first part of a mangled name, which passes for an identifier."""

    __slots__ = ()

    def isidentifier(self) -> bool:
        """Yes: imports find what the whole name names, as if it were one."""
        return True

    def __reduce_ex__(self, protocol: object) -> tuple[type[str], tuple[str]]:
        """How a pickle makes the plain text again."""
        return str, (str(self),)


class PackagedName(str):
    """The mangled name of a packaged module."""

    __slots__ = ()

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        """As for any text. Code that sees to it that each part is an identifier finds that so."""
        parts = super().split(sep, maxsplit)
        if sep == ".":
            parts[0] = _Prefix(parts[0])
        return parts

    def __reduce_ex__(self, protocol: object) -> tuple[Callable[..., str], tuple[object, ...]]:
        """How a pickle makes the name again: by opening the artifact where that is possible."""
        if _plain.get():
            return str, (demangle(self),)
        space = OPEN_SPACES.get(mangle_prefix(self))
        if space is None:
            return unreachable_name, (str(self), "its importer was closed when the object was pickled")
        state = space.location.state()
        if state is None:
            return unreachable_name, (str(self), space.location.reason)
        return space.location.reopen, (str(self), state)


def unreachable_name(name: str, reason: str) -> str:
    """`name`, of an artifact that cannot be opened here: imports of it fail, and say why."""
    note_unreachable(mangle_prefix(name), reason)
    return name
