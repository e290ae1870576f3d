"""Where a file lies: in the workspace, the Python environment, the standard library, or elsewhere."""

from __future__ import annotations

import enum
import os
from collections.abc import Sequence

from hermpkg_build.disk.normal_paths import absolute_path
from hermpkg_build.disk.standard_library import standard_library


class Place(enum.Enum):
    """Where a file can lie."""

    WORKSPACE = "workspace"
    ENVIRONMENT = "environment"
    STDLIB = "stdlib"
    ELSEWHERE = "elsewhere"


class Places:
    """The folders of one workspace and one environment; the deepest that holds a file decides.

    So a virtual environment inside the workspace is environment, and site-packages inside the
    folder of the standard library is, too.
    """

    def __init__(self, *, workspace_root: str, search_path: Sequence[str]) -> None:
        self.workspace_root = workspace_root
        self.search_path: tuple[str, ...] = tuple(search_path)
        self._root = os.path.join(workspace_root, "")
        self._folders: dict[str, Place] = {}
        self._memo: dict[str, Place] = {}
        self._places: dict[str, Place] = {}
        for folders, place in (
            ([workspace_root], Place.WORKSPACE),
            (search_path, Place.ENVIRONMENT),
            (standard_library(), Place.STDLIB),
        ):
            for folder in folders:
                self._folders[os.path.abspath(folder)] = place
                self._folders[os.path.realpath(folder)] = place

    def learn_from(self, other: Places) -> None:
        """Know from now on where the files lie of which another knows it, if it has the same folders."""
        if self._folders == other._folders:
            self._places.update(other._places)
            self._memo.update(other._memo)

    def place_of(self, path: str) -> Place:
        """The place of a file or folder, whether or not it exists."""
        place = self._places.get(path)
        if place is None:
            full = absolute_path(path)
            place = self._folders.get(full) or self._of_folder(os.path.dirname(full))
            if os.path.isabs(path):  # What others lead to depends on the current folder.
                self._places[path] = place
        return place

    def _of_folder(self, folder: str) -> Place:
        place = self._folders.get(folder) or self._memo.get(folder)
        if place is None:
            parent = os.path.dirname(folder)
            place = Place.ELSEWHERE if parent == folder else self._of_folder(parent)
            self._memo[folder] = place
        return place

    def short_path(self, path: str) -> str:
        """The path for a message or a location: relative in the workspace."""
        return path.removeprefix(self._root)

    def with_short_paths(self, text: str) -> str:
        """A text with the paths of files of the workspace made relative."""
        return text.replace(self._root, "")
