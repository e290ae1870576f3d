"""Finds the folders of a workspace that are packages, and the package that a path belongs to."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING

from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.core.label import Label
from hermpkg_build.core.spelling import did_you_mean
from hermpkg_build.disk.git_submodules import step_for_submodule
from hermpkg_build.errors import LabelError, WorkspaceError
from hermpkg_build.loading.folder_walk import LinkedFoldersError, folders_below
from hermpkg_build.loading.glob import GlobCall, GlobError, glob_files
from hermpkg_build.loading.workspace import Workspace

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree

_MOST_FOLDERS = 5_000

IGNORE_FILE = ".bazelignore"


class Packages:
    """The packages of a workspace: folders with a BUILD file, but for those that are ignored.

    Ignored, with all below them, are the output folder, Bazel's output links and the folders that
    the workspace's `.bazelignore` names. `package` is a path relative to the root, "" for the root. The
    BUILD files of some may be `known`.
    """

    def __init__(
        self, workspace: Workspace, tree: SourceTree, *, known: Mapping[str, str | None] | None = None
    ) -> None:
        self._root = workspace.root
        self._build_names = workspace.build_names
        self._tree = tree
        self._ignored = self._read_ignored()
        self._build_files: dict[str, str | None] = dict(known or {})
        self._globbed: set[tuple[str, GlobCall]] = set()

    def directory(self, package: str) -> str:
        """Return the absolute path of a package's folder."""
        return f"{self._root}/{package}" if package else self._root

    def build_file(self, package: str) -> str | None:
        """Return the workspace path of a package's BUILD file, None where the folder is not a package."""
        if package not in self._build_files:
            self._build_files[package] = self._find_build_file(package)
        return self._build_files[package]

    def is_boundary(self, folder: str) -> bool:
        """Whether a glob of a package above must not enter a folder."""
        return self.build_file(folder) is not None or self.is_ignored(folder)

    def glob(
        self, package: str, call: GlobCall, proceed: Callable[[], None] = lambda: None
    ) -> tuple[str, ...]:
        """Return the files of a package that a call of `glob` matches. Raises as `glob_files` does."""
        prefix = f"{package}/" if package else ""
        self._globbed.add((package, call))
        try:
            return glob_files(
                self.directory(package),
                call,
                self._tree,
                lambda folder: self.is_boundary(prefix + folder),
                proceed,
            )
        except GlobError as error:
            folders = itertools.takewhile(lambda part: "*" not in part, (error.pattern or "*").split("/"))
            if lacking := step_for_submodule(self._root, prefix + "/".join(folders)):
                raise GlobError(error.pattern, error.reason, lacking) from None
            raise

    def globbed(self) -> list[tuple[str, GlobCall]]:
        """List the calls of `glob` so far, each with its package."""
        return sorted(self._globbed, key=repr)

    def package_of(self, path: str) -> str | None:
        """Return the innermost package whose folder `path` is or lies in."""
        while True:
            if self.build_file(path) is not None:
                return path
            if not path:
                return None
            path = path.rpartition("/")[0]

    def label_of(self, path: str) -> Label | None:
        """Return the label of the file at a workspace path."""
        package = self.package_of(path.rpartition("/")[0])
        return None if package is None else Label(package, path[len(package) + 1 :] if package else path)

    def crossed_by(self, label: Label) -> str | None:
        """Return the package below that of `label` that its name reaches into, if it does."""
        folder = label.path.rpartition("/")[0]
        if len(folder) <= len(label.package):
            return None
        inner = self.package_of(folder)
        return inner if inner is not None and len(inner) > len(label.package) else None

    def below(self, package: str) -> Iterator[str]:
        """Give all packages at or below a folder, sorted by path, parents first.

        Folders whose names begin with a dot, and virtual environments, are not entered: tools put there
        what is in them. Links that lead back up are not followed.
        """
        try:
            folders = list(folders_below(package, self.directory, self._to_enter))
        except LinkedFoldersError as error:
            raise WorkspaceError(
                str(error), next_step=f"name a folder with fewer links, or list some in {IGNORE_FILE}"
            ) from None
        for folder in folders:
            if self.build_file(folder) is not None and not self.is_environment(folder):
                yield folder

    def _to_enter(self, folder: str) -> list[str]:
        # What is ignored is not even listed: what a build puts into its output folder is no change to what
        # the build saw.
        if self.is_ignored(folder) or self.is_environment(folder):
            return []
        entries = self._tree.entries(self.directory(folder)) or {}
        return [name for name, is_folder in entries.items() if is_folder and not name.startswith(".")]

    def files(self) -> Iterator[str]:
        """Give the workspace paths of files, but for those that are ignored, hidden or in an environment.

        There is an end to them: of many only the first.
        """
        queue = [""]
        for number, folder in enumerate(queue):
            if number > _MOST_FOLDERS:
                return
            queue += [f"{folder}/{name}".lstrip("/") for name in self._to_enter(folder)]
            for name, is_folder in (self._tree.entries(self.directory(folder)) or {}).items():
                if not is_folder and not name.startswith("."):
                    yield f"{folder}/{name}".lstrip("/")

    def file_named(self, name: str) -> Label | None:
        """Return the label of the one file of the workspace with this name; None where there are more."""
        found = [path for path in self.files() if path.rpartition("/")[2] == name]
        return self.label_of(found[0]) if len(found) == 1 else None

    def outputs_named(self, name: str) -> list[Label]:
        """Return the labels by which artifacts of this name were built, sorted."""
        top = os.path.join(self._root, OUTPUT_FOLDER)
        found = [folder for folder, _, names in os.walk(top) if f"{name}.pt" in names]
        inside = (os.path.relpath(folder, top).replace(os.sep, "/") for folder in sorted(found))
        return [Label("" if path == os.curdir else path, name) for path in inside]

    def is_environment(self, folder: str) -> bool:
        """Whether a folder is a virtual environment."""
        return self._tree.is_file(os.path.join(self.directory(folder), "pyvenv.cfg"))

    def is_ignored(self, folder: str) -> bool:
        """Whether a folder is left out of the workspace."""
        ignored = (folder == path or folder.startswith(path + "/") for path in self._ignored)
        return self.is_output(folder) or any(ignored)

    def is_output(self, path: str) -> bool:
        """Whether a path lies where builds put their outputs."""
        first = path.partition("/")[0]
        return first == OUTPUT_FOLDER or (first.startswith("bazel-") and self._is_link(first))

    def no_such_package(self, label: Label) -> LabelError:
        """Return an error that says that the package of `label` does not exist."""
        package = label.package
        entries = self._tree.entries(self.directory(package))
        facts = [
            (
                "looked for",
                " or ".join(f"{package}/{name}".lstrip("/") for name in reversed(self._build_names)),
            )
        ]
        if lacking := step_for_submodule(self._root, package):
            next_step = lacking
        elif entries is None:
            next_step = self._nearest(package, label)
        elif self.is_output(package):
            next_step = "outputs are no sources: name the targets that they are built from"
        else:
            outer = self.package_of(package)
            next_step = "add a BUILD file to the folder"
            if outer is not None and self._tree.is_file(self.directory(label.path)):
                next_step = f"did you mean '{self.label_of(label.path)}'?"
        summary = (
            f"no such package: //{package}"
            if package
            else "the workspace root is not a package: it has no BUILD file"
        )
        return LabelError(summary, facts=facts, next_step=next_step)

    def _nearest(self, package: str, label: Label) -> str:
        """Suggest a label in which the first folder that does not exist is spelt like one that does."""
        segments = package.split("/")
        for depth, segment in enumerate(segments):
            parent = "/".join(segments[:depth])
            entries = self._tree.entries(self.directory(parent)) or {}
            if entries.get(segment):
                continue
            meant = did_you_mean(segment, (name for name, is_folder in entries.items() if is_folder))
            if not meant:
                return ""
            candidate = "/".join([*segments[:depth], meant, *segments[depth + 1 :]])
            if self.build_file(candidate) is None:
                return ""
            name = meant if label.name == segment and depth == len(segments) - 1 else label.name
            return f"did you mean '{Label(candidate, name)}'?"
        return ""

    def _find_build_file(self, package: str) -> str | None:
        if self.is_ignored(package):
            return None
        entries = self._tree.entries(self.directory(package)) or {}
        name = next((name for name in self._build_names if entries.get(name) is False), None)
        return None if name is None else f"{package}/{name}" if package else name

    def _is_link(self, name: str) -> bool:
        return os.path.islink(os.path.join(self._root, name))

    def _read_ignored(self) -> tuple[str, ...]:
        path = os.path.join(self._root, IGNORE_FILE)
        if not self._tree.is_file(path):
            return ()
        try:
            lines = self._tree.read(path).decode(errors="replace").splitlines()
        except OSError as error:
            raise WorkspaceError(f"cannot read {path}: {error.strerror}") from error
        paths = (line.strip() for line in lines)
        return tuple(path.strip("/") for path in paths if path and not path.startswith("#"))
