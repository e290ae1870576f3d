"""What a build has looked at, to be looked at again: whether it succeeded, failed, or could not begin."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.engine.inputs import listed_by_targets
from hermpkg_build.engine.snapshot import Entries, find_change
from hermpkg_build.errors import ActionError
from hermpkg_build.loading.workspace import WORKSPACE_MARKERS

if TYPE_CHECKING:
    from hermpkg_build.engine.context import Build


@dataclass(frozen=True, slots=True)
class Sighting:
    """Files by their contents and folders by their listings, as a build has seen them."""

    files: Entries = field(default_factory=dict)
    directories: Entries = field(default_factory=dict)

    def find_change(self) -> str:
        """Return the path of something that is not as it was seen; "" where all is."""
        return find_change([self.files], self.directories)[0]

    def forget(self, path: str) -> None:
        """See a path no more."""
        self.files.pop(path, None)
        self.directories.pop(path, None)

    def folders(self) -> set[str]:
        """Return the folders that are there in which any change of what was seen shows."""
        folders = {*self.directories, *map(os.path.dirname, self.files)}
        # Behind a link the file itself changes where it lies.
        folders.update(os.path.dirname(os.path.realpath(path)) for path in self.files)
        return set(map(_nearest_folder, folders))


def sighting_of(tree: SourceTree | None, directory: str, build: Build | None = None) -> Sighting:
    """Return what was seen by `tree`, and what decides which workspace `directory` is in.

    With `build`, which failed, that is also all that its targets name: a factory that failed has not told
    what it read.
    """
    if build is not None and tree is not None:
        for path in listed_by_targets(build):
            _look(tree, build.context.absolute(path))
    above = SourceTree()
    while True:
        for marker in WORKSPACE_MARKERS:
            _look(above, os.path.join(directory, marker))
        if directory == os.path.dirname(directory):
            break
        directory = os.path.dirname(directory)
    sighting = Sighting()
    for each in (above, tree):
        if each is not None:
            _add(sighting, each, with_folders=each is tree or tree is None)
    return sighting


def _add(sighting: Sighting, tree: SourceTree, *, with_folders: bool) -> None:
    signatures = tree.observed_signatures()
    files, folders = tree.observed_files(), tree.observed_directories() if with_folders else {}
    sighting.files.update((path, (digest.hash, signatures.get(path))) for path, digest in files.items())
    sighting.directories.update(
        (path, (digest.hash, signatures.get(path))) for path, digest in folders.items()
    )


def _look(tree: SourceTree, path: str) -> None:
    try:
        if tree.is_file(path):
            tree.digest(path)
    except (OSError, ActionError):
        return


def _nearest_folder(path: str) -> str:
    """Return `path`, or the nearest folder above it that is there: where it would appear."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path
