"""The BUILD files of a workspace as they are to be: edited in memory, seen by builds, written at the end."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterator, Mapping

from hermpkg_build.core.label import Label, is_package_path
from hermpkg_build.core.target import RuleTarget
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.generate.build_files.build_text import BuildText
from hermpkg_build.generate.build_files.edits import CallPlace
from hermpkg_build.generate.build_files.files import FileOnDisk
from hermpkg_build.loading.loader import Loader
from hermpkg_build.loading.workspace import Workspace


class Draft:
    """The BUILD files of one workspace, of which some are edited; `tree` and `loader` see them so."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace = workspace
        self._files: dict[str, FileOnDisk] = {}
        self._texts: dict[str, str] = {}
        self._load()

    def edit(self, path: str, change: Callable[[BuildText], BuildText]) -> bool:
        """Edit the BUILD file at a workspace path, which may be a new one; whether that changed it.

        Raises what `change` raises, and LoadingError for a file that cannot be edited.
        """
        if path not in self._files:
            self._files[path] = FileOnDisk.read(self.workspace.root, path)
        before = BuildText(path, self._texts[path]) if path in self._texts else self._files[path].text()
        after = change(before)
        if after.text == before.text:
            return False
        self._texts[path] = after.text
        self._load()
        return True

    def edit_target(self, target: RuleTarget, change: Callable[[BuildText, CallPlace], BuildText]) -> bool:
        """Edit the call that declares a target; whether that changed its file. Raises as `edit` does."""
        place = CallPlace(function=target.rule, name=target.label.name)
        return self.edit(self.path_of(target.label.package), lambda file: change(file, place))

    def path_of(self, package: str) -> str:
        """The BUILD file of a package; where there is none yet, the one that would make it a package."""
        name = self.workspace.build_names[-1]
        return self.loader.packages.build_file(package) or f"{package}/{name}".lstrip("/")

    def may_be_package(self, folder: str) -> bool:
        """Whether a BUILD file would make a folder a package: it is not ignored, and labels can name it."""
        packages = self.loader.packages
        parts = folder.split("/")
        above = ["/".join(parts[: number + 1]) for number in range(len(parts))]
        is_hidden = any(map(packages.is_environment, above)) or packages.is_ignored(folder)
        return is_package_path(folder) and not is_hidden

    def given(self) -> dict[str, bytes]:
        """The files that are edited, by absolute path."""
        root = self.workspace.root
        return {
            os.path.join(root, path): self._files[path].encoded(text) for path, text in self._texts.items()
        }

    def diffs(self) -> Mapping[str, str]:
        """For each file that is edited, by its path, a unified diff."""
        return {path: "".join(self._diff(path)) for path in sorted(self._texts) if self._is_changed(path)}

    def write(self) -> None:
        """Write all files that are edited, each at once. Raises LocalEnvironmentError."""
        changed = [path for path in sorted(self._texts) if self._is_changed(path)]
        for path in changed:
            self._files[path].check()
        for path in changed:
            self._files[path].write(self._texts[path])

    def _is_changed(self, path: str) -> bool:
        return self._files[path].data != self._files[path].encoded(self._texts[path])

    def _diff(self, path: str) -> Iterator[str]:
        file = self._files[path]
        before = file.text().text
        old = f"a/{path}" if file.data is not None else "/dev/null"
        lines = difflib.unified_diff(
            before.splitlines(keepends=True), self._texts[path].splitlines(keepends=True), old, f"b/{path}"
        )
        for line in lines:
            yield line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"

    def _load(self) -> None:
        """Look at the files anew."""
        self.tree: SourceTree = SourceTree(given=self.given())
        self.loader: Loader = Loader(self.workspace, self.tree, on_message=lambda *_: None)


def spelled(label: Label, package: str) -> str:
    """A label as one writes it in a BUILD file of `package`.

    >>> [spelled(Label("a", "b"), "a"), spelled(Label("a/b", "b"), ""), spelled(Label("a", "b"), "c")]
    [':b', '//a/b', '//a:b']
    """
    if label.package == package:
        return f":{label.name}"
    return f"//{label.package}" if label.package.rpartition("/")[2] == label.name else str(label)
