"""Lets objects of packaged code travel to other processes: their pickles say where the artifact lies.

A pickle names classes and functions by module. A packaged module's name means nothing to a process
that has not opened the artifact, as a spawned worker; so it pickles (from protocol 4 on, which
multiprocessing uses) as a call that opens the artifact there, once, under the same name.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

from hermpkg_build.runtime.mangling import mangle_prefix
from hermpkg_build.runtime.real_files import FilesMode

if TYPE_CHECKING:
    from collections.abc import Callable

    from hermpkg_build.runtime.importer import PackageImporter

Origin = tuple[str, int, int, FilesMode]
"""The absolute path of an artifact, its size and time when it was opened, and how its files are seen."""

_adopted: dict[str, PackageImporter] = {}
_lock = threading.Lock()


class PackagedName(str):
    """The mangled name of a packaged module."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[..., str], tuple[object, ...]]:
        """How a pickle makes the name again: by opening the artifact where that is possible."""
        from hermpkg_build.runtime.finder import space_of

        space = space_of(mangle_prefix(self))
        if space is None or space.origin is None:
            return str, (str(self),)
        return adopted_name, (str(self), space.origin)

    def __reduce_ex__(self, protocol: object) -> tuple[Callable[..., str], tuple[object, ...]]:
        """The same for every protocol."""
        return self.__reduce__()


def origin_of(source: object, files: FilesMode) -> Origin | None:
    """Where an artifact lies that another process could open too; None for what is in memory."""
    if not isinstance(source, (str, os.PathLike)):
        return None
    path = os.path.abspath(os.fspath(source))
    status = os.stat(path)
    return path, status.st_size, status.st_mtime_ns, files


def adopted_name(name: str, origin: Origin) -> str:
    """`name`, after its artifact is open in this process. Raises ImportError where it is another by now."""
    from hermpkg_build.runtime.finder import space_of

    prefix = mangle_prefix(name)
    with _lock:
        if space_of(prefix) is None:
            _adopted[prefix] = _open(prefix, origin)
    return name


def _open(prefix: str, origin: Origin) -> PackageImporter:
    from hermpkg_build.runtime.importer import PackageImporter

    path, _, _, files = origin
    try:
        same = origin_of(path, files) == origin
    except OSError as error:
        raise ImportError(f"the artifact {path} cannot be opened here: {error.strerror}") from error
    if not same:
        raise ImportError(f"the artifact {path} was changed since the object was pickled")
    # The process that sent the object has checked these very bytes.
    importer = PackageImporter(path, check="off", verify="off", files=files)
    importer._space.take_prefix(prefix)
    return importer
