"""RealFiles: which packaged modules see real paths in ``__file__``, and what the paths are."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from hermpkg_build.archive.layout import problem_with_name
from hermpkg_build.archive.unpacked import UnpackedReader
from hermpkg_build.errors import ArchiveError
from hermpkg_build.runtime.contents.archives import Archive

if TYPE_CHECKING:
    from hermpkg_build.core.manifest import Manifest

FilesMode = Literal["auto", "real", "mangled"]


class RealFiles:
    """Gives real paths to the records in the top-level folders `tops`, or in all folders where it is None.

    The records, save those `excluded`, are unpacked when a path is first asked for: into the folder `root`,
    but for the records `beside` and folders of these alone, which lie next to it. An archive that is a folder
    already gives its own paths, where there is no such `root`.
    """

    def __init__(
        self,
        archive: Archive,
        tops: Collection[str] | None,
        excluded: Collection[str] = (),
        *,
        root: str = "",
        beside: Collection[str] = (),
    ) -> None:
        self._archive = archive
        self._tops = tops
        self._excluded = excluded
        self._root = root
        self._beside = frozenset(beside)
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
        place = self._place(record)
        return os.path.join(self._unpacked(), *place.split("/")) if place else self._unpacked()

    def _place(self, record: str) -> str:
        """Give the path of a record, or of a folder of records, in the unpacked folder."""
        if not self._root or record in self._beside or record in self._folders_beside:
            return record
        return f"{self._root}/{record}" if record else self._root

    @cached_property
    def _folders_beside(self) -> frozenset[str]:
        """The folders that hold records of `beside` and no others."""
        others = {folder for name in self._names() if name not in self._beside for folder in _above(name)}
        return frozenset(folder for name in self._beside for folder in _above(name)) - others

    def name_at(self, path: str) -> str | None:
        """Give the record or folder at `path`, the inverse of `path`; None for any other path."""
        if self._folder is None:
            return None
        path = os.path.normpath(path)
        top = os.path.join(self._folder, *self._root.split("/")) if self._root else self._folder
        if path == top:
            return "" if self.covers("") else None
        inside = path.startswith(top + os.sep)
        if not inside and not path.startswith(self._folder + os.sep):
            return None
        place = path[len(self._folder) + 1 :].replace(os.sep, "/")
        is_beside = not inside or place in self._beside  # Also what lies beside may lie in the root.
        name = place if is_beside else path[len(top) + 1 :].replace(os.sep, "/")
        if self._place(name) != place:
            return None
        return name if self.covers(name) else None

    def _names(self) -> list[str]:
        return [name for name in self._archive.names() if self.covers(name) and name not in self._excluded]

    def _unpacked(self) -> str:
        if self._folder is None:
            with self._lock:
                if self._folder is None:
                    self._folder = self._unpack()
        return self._folder

    def _unpack(self) -> str:
        if isinstance(self._archive, UnpackedReader) and not self._root:
            return self._archive.name
        from hermpkg_build.runtime.contents.unpacking import unpack

        names = {self._place(name): name for name in self._names()}
        folders = {folder for place in [*names, f"{self._root}/"] for folder in _above(place)}
        if clashing := [*folders.intersection(names), *({*self._names()} - {*names.values()})]:
            raise ArchiveError(
                "a record has the name of a folder of other records, and no disk can hold both",
                facts=[("file", self._archive.name), ("record", min(clashing))],
                next_step='open the archive with files="mangled"',
            )
        return unpack({place: self._archive.view(name) for place, name in names.items()})


def _above(name: str) -> list[str]:
    """List the folders that a record lies in."""
    return [name[:end] for end, letter in enumerate(name) if letter == "/"]


def real_files(archive: Archive, manifest: Manifest | None, mode: FilesMode) -> RealFiles:
    """Make the RealFiles for `mode`: "auto" is what the manifest asks for, nothing in a stock archive.

    Raises ArchiveError where the manifest names a folder outside.
    """
    if mode == "mangled":
        return RealFiles(archive, ())
    root = manifest.root if manifest is not None else ""
    if root and problem_with_name(root):
        raise ArchiveError(
            "the folder that an artifact names for its modules leads out of where they are unpacked",
            facts=[("file", archive.name), ("folder", root)],
            next_step='open the archive with files="mangled"',
        )
    beside = manifest.beside if manifest is not None else ()
    if mode == "auto":
        tops = frozenset(manifest.real_files if manifest is not None else ())
        return RealFiles(archive, tops, root=root, beside=beside)
    return RealFiles(archive, None, _not_files(manifest), root=root, beside=beside)


def _not_files(manifest: Manifest | None) -> Sequence[str]:
    """List the records that only the importer reads, never packaged code."""
    from hermpkg_build.core.manifest import RecordKind

    if manifest is None:
        return ()
    return manifest.records_of(RecordKind.PICKLE)
