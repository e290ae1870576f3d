"""Names of packaged modules that other processes understand: their pickles say where the artifact lies.

A pickle names classes and functions by module. A packaged module's name means nothing to a process
that has not opened the artifact, such as a spawned worker; so it pickles (from protocol 4 on, which
multiprocessing uses) as a call that opens the artifact there, once, under the same name. An artifact
in memory is written to a file for that when a worker starts. Where the other process cannot open the
artifact, the name pickles with the reason, and the import that fails there reports it.
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
    """Pickle names as plain ones in this thread meanwhile, because the pickle goes into a package itself."""
    token = _plain.set(True)
    try:
        yield
    finally:
        _plain.reset(token)


class _Prefix(str):
    """The first part of a mangled name, which passes for an identifier."""

    __slots__ = ()

    def isidentifier(self) -> bool:
        """Say yes: imports find the whole name as if this were an identifier."""
        return True

    def __reduce_ex__(self, protocol: object) -> tuple[type[str], tuple[str]]:
        """Pickle as plain text."""
        return str, (str(self),)


class PackagedName(str):
    """The mangled name of a packaged module."""

    __slots__ = ()

    def split(self, sep: str | None = None, maxsplit: SupportsIndex = -1) -> list[str]:
        """Split as any text, except that the prefix passes a check that each part is an identifier."""
        parts = super().split(sep, maxsplit)
        if sep == ".":
            parts[0] = _Prefix(parts[0])
        return parts

    def __reduce_ex__(self, protocol: object) -> tuple[Callable[..., str], tuple[object, ...]]:
        """Pickle as a call that opens the artifact, where another process can open it."""
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
    """Give `name`, of an artifact that cannot be opened here; imports of it fail with the reason."""
    note_unreachable(mangle_prefix(name), reason)
    return name
