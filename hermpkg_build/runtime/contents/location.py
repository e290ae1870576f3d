"""Where other processes find an artifact that this one has opened from a file or from memory."""

from __future__ import annotations

import os
import sys
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from hermpkg_build.archive.reader import ArchiveReader
from hermpkg_build.runtime.contents.archives import Archive
from hermpkg_build.runtime.contents.real_files import FilesMode

if TYPE_CHECKING:
    from hermpkg_build.trust.policy import TrustPolicy

    FileState = tuple[str, int, int, FilesMode, TrustPolicy | None, bool]
    """The absolute path of an artifact, its size and time (ns) when it was opened, `files`, `trust`, and
    whether records are compared with the manifest when they are read."""


class ArtifactLocation:
    """Tells where other processes find `archive`, which was opened from `source`.

    They call `reopen` with the name of a packaged module and the state of the file, which they hold to
    `trust`. An artifact that is `guarded` by a function of the caller's cannot be opened there: the function
    cannot be sent to them.
    """

    def __init__(
        self,
        source: object,
        archive: Archive,
        files: FilesMode,
        *,
        guarded: bool,
        trust: TrustPolicy | None,
        reopen: Callable[[str, FileState], str],
    ) -> None:
        self.reopen = reopen
        self.reason: str = "it was opened from memory; open it from a path"
        """Why other processes cannot open it, where they cannot."""
        if guarded:
            self.reason = "it was opened with module_allowed, which other processes lack; open it without"
        self._archive = archive
        self._files = files
        self._guarded = guarded
        self._trust = trust
        self._temporary_file: weakref.finalize[[str, int], ArtifactLocation] | None = None
        self._state: FileState | None = None
        if isinstance(source, (str, os.PathLike)) and not guarded:
            # Of the file that is open: another one may have its name by now.
            status = archive.status() if isinstance(archive, ArchiveReader) else None
            self._state = file_state(os.fspath(source), files, trust, _checks_reads(archive), status)

    def state(self) -> FileState | None:
        """Give the state of the file that another process can open; None where there is none.

        An artifact in memory is written to a temporary file for a worker process that is being started;
        the file is removed when the importer is closed or freed.
        """
        archive = self._archive
        if (
            self._state is None
            and not self._guarded
            and isinstance(archive, ArchiveReader)
            and _is_spawning()
        ):
            import tempfile

            descriptor, path = tempfile.mkstemp(prefix="hermpkg-", suffix=".pt")
            self._temporary_file = weakref.finalize(self, _remove, path, os.getpid())
            with open(descriptor, "wb") as file:
                file.write(archive.raw())
            self._state = file_state(path, self._files, self._trust, archive.checks_reads)
        return self._state

    def close(self) -> None:
        """Remove the temporary file, if there is one: the workers have opened it."""
        if self._temporary_file is not None:
            self._temporary_file()
            self._temporary_file = self._state = None


def file_state(
    path: str,
    files: FilesMode,
    trust: TrustPolicy | None,
    checks_reads: bool,
    status: os.stat_result | None = None,
) -> FileState:
    """Give the state of the file at `path`, with `status` where that is known, else as it is now."""
    path = os.path.abspath(path)
    status = status or os.stat(path)
    return path, status.st_size, status.st_mtime_ns, files, trust, checks_reads


def _checks_reads(archive: Archive) -> bool:
    return isinstance(archive, ArchiveReader) and archive.checks_reads


def _is_spawning() -> bool:
    """Tell whether this thread pickles the arguments of a process that multiprocessing starts."""
    context = sys.modules.get("multiprocessing.context")
    return context is not None and context.get_spawning_popen() is not None


def _remove(path: str, owner: int) -> None:
    if os.getpid() == owner:  # A fork of the process that made the file leaves it.
        with suppress(OSError):
            os.unlink(path)
