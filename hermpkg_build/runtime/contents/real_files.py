"""RealFiles: which packaged modules see real paths in ``__file__``, and what the paths are."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Literal

from hermpkg_build.archive.unpacked import UnpackedReader
from hermpkg_build.errors import ArchiveError
from hermpkg_build.runtime.contents.archives import Archive

if TYPE_CHECKING:
    from hermpkg_build.core.manifest import Manifest

FilesMode = Literal["auto", "real", "mangled"]


class RealFiles:
    """Gives real paths to the records in the top-level folders `tops`, or in all folders where it is None.

    The records, save those `excluded`, are unpacked when a path is first asked for. An archive that is
    a folder already gives its own paths.
    """

    def __init__(
        self, archive: Archive, tops: Collection[str] | None, excluded: Collection[str] = ()
    ) -> None:
        self._archive = archive
        self._tops = tops
        self._excluded = excluded
        self._folder: str | None = None
        self._lock = threading.Lock()

    def covers(self, name: str) -> bool:
        """Tell whether the record or module `name` has a real path."""
        if self._tops is None:
            return not name.startswith(".data/")
        return bool(self._tops) and name.replace("/", ".").partition(".")[0] in self._tops

    def path(self, record: str) -> str:
        """Give the absolute path of a record, or of a folder of records, that is covered.

        Raises LocalEnvironmentError where there is no place to unpack to, ArchiveError for names that no
        file system can hold side by side.
        """
        return os.path.join(self._unpacked(), *record.split("/")) if record else self._unpacked()

    def name_at(self, path: str) -> str | None:
        """Give the record or folder at `path`, the inverse of `path`; None for any other path."""
        if self._folder is None:
            return None
        path = os.path.normpath(path)
        if path == self._folder:
            return "" if self.covers("") else None
        if not path.startswith(self._folder + os.sep):
            return None
        name = path[len(self._folder) + 1 :].replace(os.sep, "/")
        return name if self.covers(name) else None

    def _unpacked(self) -> str:
        if self._folder is None:
            with self._lock:
                if self._folder is None:
                    self._folder = self._unpack()
        return self._folder

    def _unpack(self) -> str:
        if isinstance(self._archive, UnpackedReader):
            return self._archive.name
        from hermpkg_build.runtime.contents.unpacking import unpack

        names = [name for name in self._archive.names() if self.covers(name) and name not in self._excluded]
        folders = {name[:end] for name in names for end, letter in enumerate(name) if letter == "/"}
        if clashing := folders.intersection(names):
            raise ArchiveError(
                "a record has the name of a folder of other records, and no disk can hold both",
                facts=[("file", self._archive.name), ("record", min(clashing))],
                next_step='open the archive with files="mangled"',
            )
        return unpack({name: self._archive.view(name) for name in names})


def real_files(archive: Archive, manifest: Manifest | None, mode: FilesMode) -> RealFiles:
    """Make the RealFiles for `mode`: "auto" is what the manifest asks for, nothing in a stock archive."""
    if mode == "mangled":
        return RealFiles(archive, ())
    if mode == "auto":
        return RealFiles(archive, frozenset(manifest.real_files if manifest is not None else ()))
    return RealFiles(archive, None, _not_files(manifest))


def _not_files(manifest: Manifest | None) -> Sequence[str]:
    """List the records that only the importer reads, never packaged code."""
    from hermpkg_build.core.manifest import RecordKind

    if manifest is None:
        return ()
    return [name for name, record in manifest.records.items() if record.kind is RecordKind.PICKLE]
