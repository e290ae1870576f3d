"""Where other processes find an artifact that is open in this one, be it a file or in memory."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.runtime.contents.archives import Archive
from hermpkg_build.runtime.contents.real_files import FilesMode

FileState = tuple[str, int, int, FilesMode]
"""The absolute path of an artifact, its size and time when it was opened, and how its files are seen."""


class ArtifactLocation:
    """Where other processes find `archive`, which was opened as `source`.

    `reopen` is what they call with the name of a packaged module and the state of the file. An artifact
    that is `guarded` by a function of the caller's cannot be opened there, as the function does not travel.
    """

    def __init__(
        self,
        source: object,
        archive: Archive,
        files: FilesMode,
        *,
        guarded: bool,
        reopen: Callable[[str, FileState], str],
    ) -> None:
        self.reopen = reopen
        self.reason = "it was opened from memory; open it from a path"
        """Why other processes do not find it, where they do not."""
        if guarded:
            self.reason = "it was opened with a module_allowed, which does not travel; open it without"
        self._archive = archive
        self._files = files
        self._guarded = guarded
        self._temporary_file: weakref.finalize[[str, int], ArtifactLocation] | None = None
        self._state: FileState | None = None
        if isinstance(source, (str, os.PathLike)) and not guarded:
            # Of the file that is open: another one may have its name by now.
            status = archive.status() if isinstance(archive, ArchiveReader) else None
            self._state = file_state(os.fspath(source), files, status)

    def state(self) -> FileState | None:
        """The file that another process can open; None where there is none.

        What is in memory is written to a temporary file while a worker is being started, which takes
        what it is given with it; the file goes when the importer is closed or freed.
        """
        raw = getattr(self._archive, "raw", None)
        if self._state is None and not self._guarded and raw is not None and _is_spawning():
            import tempfile

            descriptor, path = tempfile.mkstemp(prefix="hermpkg-", suffix=".pt")
            self._temporary_file = weakref.finalize(self, _remove, path, os.getpid())
            with open(descriptor, "wb") as file:
                file.write(raw())
            self._state = file_state(path, self._files)
        return self._state

    def close(self) -> None:
        """Remove the temporary file, if there is one: workers that started with it have opened it."""
        if self._temporary_file is not None:
            self._temporary_file()
            self._temporary_file = self._state = None


def file_state(path: str, files: FilesMode, status: os.stat_result | None = None) -> FileState:
    """The state of the file at `path`, with `status` where that is known, else as it is now."""
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
