"""The build hook of PDM: artifacts go into wheels, what they are built from into source distributions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hermpkg_build.loading.wheel_settings import WheelPart
from hermpkg_build.wheels.builds import (
    build_artifacts,
    ends_in_words,
    places_of,
    put_in_tree,
    workspace_inputs,
)
from hermpkg_build.wheels.packages import packages_of
from hermpkg_build.wheels.projects import Project, find_project, packages_in_tree, source_folder


def pdm_build_hook_enabled(context: Any) -> bool:
    """Whether the workspace says anything of wheels: PDM calls the hooks of all that is installed."""
    with ends_in_words():
        return bool(find_project(str(context.root)).parts)


def pdm_build_update_files(context: Any, files: dict[str, Path]) -> None:
    """Add to the `files` of a wheel or source distribution. Ends the process where something is wrong."""
    with ends_in_words():
        project = find_project(str(context.root))
        if context.target == "sdist":
            targets = [
                target for part in project.own_parts(packages_in_tree(project)) for target in part.targets
            ]
            for path in workspace_inputs(targets, project.folder) if targets else ():
                files.setdefault(path, Path(project.folder, path))
        elif context.target == "editable":
            for part in project.own_parts(packages_in_tree(project)):
                folder = source_folder(project.folder, part.package)
                _say(put_in_tree(part, project.folder, folder))
        else:
            for part in project.own_parts(packages_of(files)):
                _add(part, project, files)


def _add(part: WheelPart, project: Project, files: dict[str, Path]) -> None:
    artifacts = build_artifacts(part, project.folder)
    places = places_of(artifacts, part.package.replace(".", "/"))
    files.update((place, Path(artifacts[label])) for label, place in places.items())
    _say(places)


def _say(places: dict[str, str]) -> None:
    for label, place in places.items():
        print(f" - {label} -> {place}")
