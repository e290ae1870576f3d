"""Warns where wheels are to have artifacts, and what makes the wheels puts none into them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from hermpkg_build.loading.wheel_settings import WHEEL_TABLES

if TYPE_CHECKING:
    from hermpkg_build.engine.context import Build

_PROJECT = "pyproject.toml"


def warn_of_wheels(build: Build) -> None:
    """Warn of each package that gets no artifact because the build backend of its project knows of none.

    Raises WorkspaceError where the settings of wheels are wrong.
    """
    workspace = build.context.workspace
    if not any(name in workspace.settings for name in WHEEL_TABLES):
        return
    from hermpkg_build.core.toml_text import parse_toml
    from hermpkg_build.loading.wheel_backends import why_no_artifacts
    from hermpkg_build.loading.wheel_settings import read_wheel_parts

    tree = build.context.tree
    for part in read_wheel_parts(workspace.settings, build.context.absolute(_PROJECT)):
        folder = _project_of(build, part.package) if part.package else None
        if folder is None:
            continue
        path = os.path.normpath(os.path.join(folder, _PROJECT))
        try:
            document = parse_toml(tree.read(build.context.absolute(path)))
        except ValueError:
            continue  # Whoever makes the wheel says so.
        hatch = os.path.isfile(build.context.absolute(os.path.join(folder, "hatch.toml")))
        if why := why_no_artifacts(document, other_backend=part.backend, other_hooks=hatch):
            text = f"{path}: wheels get no artifact for the package {part.package}: {why}"
            build.journal.warn(text, about=[str(label) for label in build.labels])


def _project_of(build: Build, package: str) -> str | None:
    """Return the folder of the project that has a package, "" for the workspace's root; None for none.

    It is the nearest folder with a pyproject.toml around the package's own. The folders on the way are no
    inputs of the build: what is put into them makes nothing anew.
    """
    for folder in _folders_of(build, package):
        while folder:
            if os.path.isfile(build.context.absolute(f"{folder}/{_PROJECT}")):
                return folder
            folder = os.path.dirname(folder)
        return ""
    return "" if build.context.workspace.project else None


def _folders_of(build: Build, package: str) -> Iterator[str]:
    """Give the folders of the workspace that a package has, or else those around it; the nearest first."""
    names = package.split(".")
    for length in range(len(names), 0, -1):
        for root in build.context.workspace.source_roots:
            folder = "/".join([*([root] if root else []), *names[:length]])
            if os.path.isdir(build.context.absolute(folder)):
                yield folder
