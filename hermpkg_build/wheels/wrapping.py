"""The hooks of the backend that stands before another: what they add to what the other one makes."""

from __future__ import annotations

import importlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from hermpkg_build.loading.wheel_backends import OWN, build_system
from hermpkg_build.loading.workspace import project_document
from hermpkg_build.wheels.builds import (
    WheelError,
    build_artifacts,
    ends_in_words,
    places_of,
    put_in_tree,
    workspace_inputs,
)
from hermpkg_build.wheels.packages import OwnPackages, joined, packages_of
from hermpkg_build.wheels.projects import Project, find_project, packages_in_tree, source_folder
from hermpkg_build.wheels.source_archive import add_to_source_archive
from hermpkg_build.wheels.wheel_file import add_to_wheel, wheel_names


def hook(name: str) -> Callable[..., Any]:
    """Return the hook `name` for the project in the current folder, which is how backends are called.

    Raises AttributeError where the other backend has none, SystemExit with what is wrong.
    """
    with ends_in_words():
        other = getattr(_other_backend(os.getcwd()), name)
    own = {"build_wheel": _wheel, "build_sdist": _sdist, "build_editable": _editable}.get(name)
    return other if own is None else partial(_call, own, other)


def _call(
    own: Callable[..., str], other: Callable[..., str], directory: str, *words: Any, **named: Any
) -> str:
    with ends_in_words(), tempfile.TemporaryDirectory(prefix="hermpkg-wheel-") as aside:
        return own(find_project(os.getcwd()), aside, directory, partial(other, aside, *words, **named))


def _other_backend(project: str) -> Any:
    """Import the backend that makes the wheel itself. Raises WheelError."""
    system = build_system(project_document(project))
    told = [part.backend for part in find_project(project).parts if part.backend]
    names = list(dict.fromkeys(told)) or list(system.delegates)
    if len(names) != 1:
        raise WheelError(
            f"{OWN} stands before one other build backend, and here are {' and '.join(names) or 'none'}",
            facts=[("build-system.requires", ", ".join(system.requires))],
            next_step="name the distribution of one in build-system.requires, or write the backend itself\n"
            '[tool.hermpkg.wheel]\nbackend = "some.backend"',
        )
    module, _, path = names[0].partition(":")
    try:
        backend = importlib.import_module(module)
    except ImportError as error:
        raise WheelError(
            f"the build backend {module} cannot be imported: {error}",
            next_step="name its distribution in build-system.requires",
        ) from error
    for attribute in path.split(".") if path else ():
        backend = getattr(backend, attribute)
    return backend


def _wheel(project: Project, aside: str, directory: str, make: Callable[[], str]) -> str:
    """Have a wheel made, and add artifacts to it."""
    name = make()
    path = os.path.join(aside, name)
    places = _packages_by_place(wheel_names(path))
    files: dict[str, str] = {}
    for part in project.own_parts(joined(places.values())):
        place = next((each for each, packages in places.items() if packages.has(part.package)), "")
        artifacts = build_artifacts(part, project.folder)
        targets = places_of(artifacts, f"{place}{part.package.replace('.', '/')}")
        files.update((target, artifacts[label]) for label, target in targets.items())
        _say(targets)
    _check_any(project, bool(files))
    add_to_wheel(path, os.path.join(directory, name), files)
    return name


def _packages_by_place(names: list[str]) -> Mapping[str, OwnPackages]:
    """Tell the packages of a wheel by the folder that they lie in, "" for its root.

    A wheel for one platform may have a part of them in ``*.data/purelib/``.
    """
    places: dict[str, list[str]] = {}
    for name in names:
        parts = name.split("/", 2)
        inside = len(parts) == 3 and parts[0].endswith(".data") and parts[1] in ("purelib", "platlib")
        place = f"{parts[0]}/{parts[1]}/" if inside else ""
        places.setdefault(place, []).append(name.removeprefix(place))
    return {place: packages_of(places[place]) for place in sorted(places)}


def _sdist(project: Project, aside: str, directory: str, make: Callable[[], str]) -> str:
    """Have a source distribution made, and add to it what the artifacts are built from."""
    parts = project.own_parts(packages_in_tree(project))
    _check_any(project, bool(parts))
    targets = [target for part in parts for target in part.targets]
    inputs = workspace_inputs(targets, project.folder)
    name = make()
    add_to_source_archive(os.path.join(aside, name), os.path.join(directory, name), project.folder, inputs)
    return name


def _editable(project: Project, aside: str, directory: str, make: Callable[[], str]) -> str:
    """Have an editable wheel made, and put the artifacts where the package's source is."""
    parts = project.own_parts(packages_in_tree(project))
    _check_any(project, bool(parts))
    for part in parts:
        folder = source_folder(project.folder, part.package)
        _say(put_in_tree(part, project.folder, folder))
    name = make()
    shutil.move(os.path.join(aside, name), os.path.join(directory, name))
    return name


def _check_any(project: Project, found: bool) -> None:
    """Raise WheelError where a project asks for artifacts, and gets none."""
    if found:
        return
    packages = [part.package for part in project.parts if part.package]
    raise WheelError(
        f"{OWN} has no artifact to put into this project",
        facts=[("project", project.folder), ("packages with artifacts", ", ".join(packages) or "none")],
        next_step="name targets and a package of the project in the pyproject.toml of the workspace\n"
        '[tool.hermpkg.wheel]\ntargets = ["//models:resnet"]\npackage = "acme.artifacts"',
    )


def _say(places: Mapping[str, str]) -> None:
    for label, place in places.items():
        print(f"{label} -> {place}", file=sys.stderr)
