"""Lists the files of the workspace that a build was made of, so that a copy of them builds the same."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from hermpkg_build.core.folders import OUTPUT_FOLDER
from hermpkg_build.core.label import Label
from hermpkg_build.core.target import Model, PythonModules, RuleTarget
from hermpkg_build.dataclass import replace

if TYPE_CHECKING:
    from hermpkg_build.engine.context import Build
    from hermpkg_build.loading.glob import GlobCall

_ENVIRONMENT_MARKERS = ("pyvenv.cfg", "conda-meta")
_NO_SOURCES = (OUTPUT_FOLDER, ".git", ".hg", ".svn")


def workspace_inputs(build: Build) -> tuple[str, ...]:
    """List the files of the workspace that `build`, which is done, was made of; relative, sorted.

    A copy of the workspace with these files alone gives the same artifacts: beside what was read there are
    the BUILD files that say which package a file is in, what the targets list whether it was needed or not,
    the other files of folders that factories listed, and a file for each glob and each source root that
    must not be empty. Of Python environments inside the workspace only what targets list is part of it.
    """
    root = build.context.workspace.root.rstrip("/") + "/"
    read = [path[len(root) :] for path in build.context.tree.observed_files() if path.startswith(root)]
    found = {path for path in (*read, *_listed_by_factories(build)) if _is_source(build, path)}
    found.update(path for path in listed_by_targets(build) if os.path.isfile(build.context.absolute(path)))
    for root_folder in build.context.workspace.source_roots:
        if root_folder and not any(path.startswith(f"{root_folder}/") for path in found):
            found.update(_least(build, _files_below(build, root_folder)))
    for package, call in build.packages.globbed():
        found.update(_needed_by_glob(build, package, call, found))
    folders = {folder for path in found for folder in _folders_of(path)}
    found.update(path for folder in folders if (path := build.packages.build_file(folder)) is not None)
    return tuple(sorted(found))


def listed_by_targets(build: Build) -> Iterator[str]:
    """Give the files of the workspace that the targets of `build` name, whether they are there or not."""
    for label, target in build.context.targets.items():
        if isinstance(target, RuleTarget):
            yield from (named.path for attribute, named in target.labelled() if not attribute.rules)
        else:
            yield label.path
        if isinstance(target, PythonModules):
            yield from (module.path for module in build.context.modules_of_target(label))


def _listed_by_factories(build: Build) -> Iterator[str]:
    """Give the files in folders that the factories of models listed."""
    context = build.context
    for label in [label for label, target in context.targets.items() if isinstance(target, Model)]:
        for name in build.notes.inputs_of(str(label), "make-model"):
            folder = os.path.normpath(name)
            if name.endswith("/") and not os.path.isabs(name) and not name.startswith("@"):
                entries = context.tree.entries(os.path.normpath(context.absolute(folder))) or {}
                files = (entry for entry, is_folder in entries.items() if not is_folder)
                yield from (os.path.normpath(os.path.join(folder, file)) for file in files)


def _needed_by_glob(build: Build, package: str, call: GlobCall, found: set[str]) -> Iterator[str]:
    """Give what lets a call of `glob` match something, for each of its patterns and after exclusions."""
    if call.allow_empty:
        return
    patterns = [replace(call, include=(pattern,), exclude=(), allow_empty=True) for pattern in call.include]
    for part in (*patterns, replace(call, allow_empty=True)):
        paths = [Label(package, name).path for name in build.packages.glob(package, part)]
        if found.isdisjoint(paths):
            yield from _least(build, paths)


def _files_below(build: Build, folder: str) -> list[str]:
    return [
        os.path.relpath(os.path.join(directory, name), build.context.workspace.root)
        for directory, _, names in os.walk(build.context.absolute(folder))
        for name in names
    ]


def _least(build: Build, paths: Iterable[str]) -> list[str]:
    """Return the smallest of some files, in a list, as far as there is one."""
    sizes = [(os.path.getsize(build.context.absolute(path)), path) for path in paths]
    return [min(sizes)[1]] if sizes else []


def _is_source(build: Build, path: str) -> bool:
    """Whether a file is one of the workspace, and none of an environment or of version control."""
    if path.partition("/")[0] in _NO_SOURCES or not os.path.isfile(build.context.absolute(path)):
        return False
    folders = [build.context.absolute(folder) for folder in _folders_of(path) if folder]
    return not any(
        marker in (build.context.tree.entries(folder) or ())
        for folder in folders
        for marker in _ENVIRONMENT_MARKERS
    )


def _folders_of(path: str) -> Iterator[str]:
    """Give the folders that a relative path lies in, the root "" last."""
    while path:
        path = path.rpartition("/")[0]
        yield path
