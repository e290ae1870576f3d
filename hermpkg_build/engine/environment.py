"""The Python environment that a build reads modules from and runs factories in."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from typing import TYPE_CHECKING

from hermpkg_build.analysis.search_path import python_path
from hermpkg_build.core.digest import fingerprint
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.disk.normal_paths import folder_path
from hermpkg_build.disk.own_entries import is_own_entry
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.disk.standard_library import standard_library
from hermpkg_build.engine.code_states import CODE_OF, UNREADABLE, CodeStates
from hermpkg_build.factories.processor import c_library

if TYPE_CHECKING:
    from hermpkg_build.factories.request import ObservedFiles

PYTHON_REPOSITORY = "@python/"
ABSENT = "absent"
"""The state of a path at which there is nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildEnvironment:
    """The interpreter, the folders where it finds modules, in order, and the workspace.

    `own_paths` are folders of the workspace that it would search, too: an editable install put them there.
    Modules in them are the workspace's. What PYTHONPATH names is installed, unless targets list its modules.
    """

    python_version: str
    platform: str
    search_path: tuple[str, ...]
    workspace_root: str
    own_paths: tuple[str, ...] = ()
    _names: dict[str, str | None] = field(default_factory=dict, compare=False)
    """What the names of files begin with, by their paths up to the last slash: files are thousands."""

    def inputs(self, tree: SourceTree) -> dict[str, str]:
        """Return what running code here depends on, beyond the files that it was seen to read.

        The listings of the search path's folders stand for what is installed: code that asks whether a
        module exists depends on them even where it does not.
        """
        listings = [list(_importable(folder, tree).items()) for folder in self.search_path]
        return {
            "Python": f"{self.python_version} on {self.platform}",
            "installed distributions": fingerprint(listings).hash,
        }

    def installed(self, tree: SourceTree) -> list[list[str]]:
        """List the names in each folder of the search path, for people to compare."""
        return [list(_importable(folder, tree)) for folder in self.search_path]

    def name_of(self, path: str) -> str | None:
        """Name an observed file in digests and messages.

        It is ``models/resnet.py`` in the workspace, ``@python/torch/nn/functional.py`` on the search path,
        the absolute path elsewhere, and None for the interpreter's own files, for which its version stands.
        """
        folder = path[: path.rfind("/") + 1]
        if folder not in self._names:
            self._names[folder] = self._name_in(folder)
        name = self._names[folder]
        return None if name is None else name + path[len(folder) :]

    def _name_in(self, path: str) -> str | None:
        inside = _relative(path, self.workspace_root)
        folders = [folder for folder in self.search_path if _relative(path, folder) is not None]
        if inside is not None and not folders:
            return inside
        if folders:
            folder = max(folders, key=len)
            if folder in standard_library():
                return None
            return PYTHON_REPOSITORY + str(_relative(path, folder))
        if any(_relative(path, folder) is not None for folder in standard_library()):
            return None
        return inside if inside is not None else path

    def folder_name_of(self, path: str) -> str | None:
        """Name an observed folder, as `name_of` does, with a slash at the end."""
        name = self.name_of(f"{path.rstrip('/')}/")
        return "./" if name == "" else name

    def code_name_of(self, path: str) -> str | None:
        """Name a module of the workspace of which only the code counts; a file elsewhere counts whole."""
        inside = _relative(path, self.workspace_root)
        return self.name_of(path) if inside is None else CODE_OF + inside

    def paths_of(self, name: str) -> list[str]:
        """List the paths that a name from `name_of` can stand for; the first that exists counts."""
        if name.startswith(CODE_OF):
            return [os.path.join(self.workspace_root, name.removeprefix(CODE_OF))]
        if name.startswith(PYTHON_REPOSITORY):
            inside = name[len(PYTHON_REPOSITORY) :]
            return [f"{folder.rstrip('/')}/{inside}" for folder in self.search_path]
        return [os.path.join(self.workspace_root, name)]

    def names_of(self, seen: ObservedFiles) -> list[str]:
        """List the names of all that was observed, in order."""
        names = {
            *(self.name_of(path) for path in (*seen.read, *seen.sought)),
            *(self.code_name_of(path) for path in seen.code),
            *(self.folder_name_of(path) for path in seen.listed),
        }
        return sorted(name for name in names if name is not None)

    def state_of(self, name: str, tree: SourceTree, code: CodeStates) -> str:
        """Say what is at an observed path now, by its name.

        That is the hash of a file, or of its code where only that counts, or, for a name with a slash at the
        end, of a folder's listing; a path without a slash can also be a folder, or absent. `tree` is asked
        for all of it, so that a later change is noticed, and so is `code`.
        """
        paths = self.paths_of(name)
        if name.startswith(CODE_OF):
            return code.state_of(paths[0])
        if name.endswith("/"):
            return fingerprint([tree.listing_digest(folder_path(path)).hash for path in paths]).hash
        for path in paths:
            folder, _, entry = path.rpartition("/")
            is_folder = (tree.entries(folder or "/") or {}).get(entry)
            if is_folder:
                return "a folder"
            if is_folder is False:
                return _hash_of(path, tree)
        return ABSENT


def _importable(folder: str, tree: SourceTree) -> dict[str, bool]:
    """The entries of a folder of the search path that can be modules or name distributions.

    Hidden ones are neither; among them are those that tools leave beside an editable install's modules.
    """
    entries = tree.entries(folder) or {}
    return {name: is_folder for name, is_folder in entries.items() if not name.startswith(".")}


def current_environment(search_path: tuple[str, ...], workspace_root: str) -> BuildEnvironment:
    """Return the environment of this interpreter, with modules found in `search_path`, for one workspace."""
    asked = python_path()
    candidates = [path for path in search_path if workspace_root and path not in asked]
    own = [path for path in candidates if is_own_entry(path, workspace_root)]
    return BuildEnvironment(
        python_version=platform.python_version(),
        platform=f"{sys.implementation.cache_tag} {sysconfig.get_platform()} {c_library()}",
        search_path=tuple(path for path in search_path if path not in own),
        workspace_root=workspace_root,
        own_paths=tuple(own),
    )


def _hash_of(path: str, tree: SourceTree) -> str:
    try:
        return tree.digest(path).hash
    except OSError:
        return UNREADABLE


def _relative(path: str, folder: str) -> str | None:
    prefix = folder.rstrip("/") + "/"
    return path[len(prefix) :] if path.startswith(prefix) else None
