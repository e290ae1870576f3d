"""Lets objects of packaged code travel to other processes: their pickles say where the artifact lies.

A pickle names classes and functions by module. A packaged module's name means nothing to a process
that has not opened the artifact, as a spawned worker; so it pickles (from protocol 4 on, which
multiprocessing uses) as a call that opens the artifact there, once, under the same name. An artifact
in memory is put into a file for that when a worker starts; where none can be opened, the name
pickles with the reason, which the import that fails then gives.
"""

from __future__ import annotations

import os
import sys
import threading
import weakref
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, SupportsIndex

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.runtime.contents.real_files import FilesMode
from hermpkg_build.runtime.mangling import demangle, mangle_prefix

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from hermpkg_build.runtime.contents.archives import Archive
    from hermpkg_build.runtime.importer import PackageImporter

Origin = tuple[str, int, int, FilesMode]
"""The absolute path of an artifact, its size and time when it was opened, and how its files are seen."""

_packing: ContextVar[bool] = ContextVar("_packing", default=False)
_adopted: dict[str, PackageImporter] = {}
_lock = threading.Lock()


@contextmanager
def plain_names() -> Iterator[None]:
    """Names that this thread pickles meanwhile are plain, for the pickle goes into a package of its own."""
    token = _packing.set(True)
    try:
        yield
    finally:
        _packing.reset(token)


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

    def __reduce__(self) -> tuple[Callable[..., str], tuple[object, ...]]:
        """How a pickle makes the name again: by opening the artifact where that is possible."""
        if _packing.get():
            return str, (demangle(self),)
        from hermpkg_build.runtime.importing.finder import space_of

        space = space_of(mangle_prefix(self))
        if space is None:
            return stranded_name, (str(self), "its importer was closed when the object was pickled")
        origin = space.whereabouts.origin(space.archive)
        if origin is None:
            return stranded_name, (str(self), space.whereabouts.reason)
        return adopted_name, (str(self), origin)

    def __reduce_ex__(self, protocol: object) -> tuple[Callable[..., str], tuple[object, ...]]:
        """The same for every protocol."""
        return self.__reduce__()


class Whereabouts:
    """Where other processes find `archive`, which was opened as `source`, and why they may not.

    One that is `guarded`, by a function of the caller's, stays: the function would not travel with it.
    """

    def __init__(self, source: object, archive: Archive, files: FilesMode, *, guarded: bool) -> None:
        self.reason = "it was opened from memory; open it from a path"
        if guarded:
            self.reason = "it was opened with a module_allowed, which does not travel; open it without"
        self._files = files
        self._guarded = guarded
        self._file: weakref.finalize[[str, int], Whereabouts] | None = None
        self._origin: Origin | None = None
        if isinstance(source, (str, os.PathLike)) and not guarded:
            # Of the file that is open: another one may have its name by now.
            status = archive.status() if isinstance(archive, ArchiveReader) else None
            self._origin = _origin_of(os.fspath(source), files, status)

    def origin(self, archive: Archive) -> Origin | None:
        """Where another process finds `archive`; None where it does not.

        What is in memory is written to a temporary file while a worker is being started, which takes
        what it is given with it; the file goes when the importer is closed or freed.
        """
        raw = getattr(archive, "raw", None)
        if self._origin is None and not self._guarded and raw is not None and _is_spawning():
            import tempfile

            descriptor, path = tempfile.mkstemp(prefix="hermpkg-", suffix=".pt")
            self._file = weakref.finalize(self, _remove, path, os.getpid())
            with open(descriptor, "wb") as file:
                file.write(raw())
            self._origin = _origin_of(path, self._files)
        return self._origin

    def close(self) -> None:
        """Remove the file, if there is one: workers that started with it have opened it."""
        if self._file is not None:
            self._file()
            self._file = self._origin = None


def _origin_of(path: str, files: FilesMode, status: os.stat_result | None = None) -> Origin:
    """The origin of the file at `path`, with `status` where that is known, else as it is now."""
    path = os.path.abspath(path)
    status = status or os.stat(path)
    return path, status.st_size, status.st_mtime_ns, files


def _is_spawning() -> bool:
    """Whether this thread pickles what a new process of multiprocessing starts with."""
    context = sys.modules.get("multiprocessing.context")
    return context is not None and context.get_spawning_popen() is not None


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:  # A fork of the process that made the file leaves it.
        with suppress(OSError):
            os.unlink(path)


def stranded_name(name: str, reason: str) -> str:
    """`name`, of an artifact that cannot be opened here: imports of it fail, and say why."""
    from hermpkg_build.runtime.importing.finder import note_stranded

    note_stranded(mangle_prefix(name), reason)
    return name


def adopted_name(name: str, origin: Origin) -> str:
    """`name`, after its artifact is open in this process. Raises ImportError where it is another by now."""
    from hermpkg_build.runtime.importing.finder import space_of

    prefix = mangle_prefix(name)
    with _lock:
        if space_of(prefix) is None:
            _adopted[prefix] = _open(prefix, origin)
    return name


def _open(prefix: str, origin: Origin) -> PackageImporter:
    from hermpkg_build.runtime.importer import PackageImporter

    path, _, _, files = origin
    try:
        same = _origin_of(path, files) == origin
    except OSError as error:
        raise ImportError(f"the artifact {path} cannot be opened here: {error.strerror}") from error
    if not same:
        raise ImportError(f"the artifact {path} was changed since the object was pickled")
    # The process that sent the object has checked these very bytes.
    importer = PackageImporter(path, check="off", verify="off", files=files)
    importer._space.take_prefix(prefix)
    return importer
