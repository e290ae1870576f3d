"""Finds what a workspace says of the wheel of one project in it, and where the project has its packages."""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import suppress

from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.layout import find_layout
from hermpkg_build.loading.wheel_settings import WheelPart, read_wheel_parts
from hermpkg_build.loading.workspace import NoWorkspaceError, find_workspace, project_document
from hermpkg_build.wheels.packages import OwnPackages, above, packages_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project that wheels are made of: its folder, and the parts of wheels that its workspace names.

    `is_root` says whether the workspace begins at it.
    """

    folder: str
    parts: tuple[WheelPart, ...] = ()
    is_root: bool = False

    def own_parts(self, packages: OwnPackages) -> tuple[WheelPart, ...]:
        """Return the parts that belong into this project's wheel.

        Where the workspace begins at the project and names one part, it is this project's. Otherwise it is
        whose package is among the project's `packages`, or would lie in one of them. Raises HermpkgError
        where a single file of Python is named in place of a package: nobody could find data in it.
        """
        for part in self.parts:
            if part.package in packages.modules:
                raise HermpkgError(
                    f"{part.package} is a module, {part.package.rpartition('.')[2]}.py, and no package that"
                    " could have an artifact as its data",
                    facts=[("project", self.folder)],
                    next_step=f"name a package, a folder with an __init__.py, such as {part.package}_models",
                )
        parts = [part for part in self.parts if part.package]
        if self.is_root and len(parts) == 1:
            return tuple(parts)
        return tuple(part for part in parts if packages.has(part.package))


def find_project(folder: str) -> Project:
    """Find what the workspace around `folder` says of wheels. Raises WorkspaceError."""
    try:
        workspace = find_workspace(folder)
    except NoWorkspaceError:
        return Project(folder=folder)
    path = os.path.join(workspace.root, "pyproject.toml")
    return Project(
        folder=folder,
        parts=read_wheel_parts(workspace.settings, path),
        is_root=os.path.samefile(workspace.root, folder),
    )


def packages_in_tree(project: Project) -> OwnPackages:
    """Tell those packages that parts are for, and those around them, whose source lies in the project.

    Raises WorkspaceError.
    """
    files: list[str] = []
    for root in _source_roots(project.folder):
        for folder in {each.replace(".", "/") for part in project.parts for each in above(part.package)}:
            with suppress(OSError), os.scandir(os.path.join(root, folder)) as entries:
                files += [f"{folder}/{entry.name}" for entry in entries if entry.is_file()]
    return packages_of(files)


def source_folder(project: str, package: str) -> str:
    """Return the folder in a project's source tree that `package` has, or would have.

    Raises HermpkgError where the project has no part of it.
    """
    names = package.split(".")
    for length in range(len(names), 0, -1):
        for root in _source_roots(project):
            if os.path.isdir(os.path.join(root, *names[:length])):
                return os.path.join(root, *names)
    raise HermpkgError(
        f"no folder of the project is the package {package}",
        facts=[("looked in", ", ".join(_source_roots(project)))],
        next_step="make the folder with an __init__.py, or name another package",
    )


def _source_roots(project: str) -> Sequence[str]:
    document = project_document(project)
    return [os.path.join(project, root) for root in find_layout(document, project).source_roots]
