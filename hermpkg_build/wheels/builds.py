"""Builds the artifacts that go into wheels, by the command line tool in a process of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from hermpkg_build.errors import HermpkgError
from hermpkg_build.loading.wheel_settings import WheelPart

if TYPE_CHECKING:
    from hermpkg_build.core.target import ModelPackage

MODE = 0o644
"""The mode of artifacts in wheels, whatever the umask: it is a part of a wheel's bytes."""


class WheelError(HermpkgError):
    """Artifacts cannot be built for a wheel, or have no place in it."""


@contextmanager
def ends_in_words() -> Iterator[None]:
    """End the process with an error's text, as backends do: a traceback is no answer to a wrong setting."""
    try:
        yield
    except HermpkgError as error:
        raise SystemExit(f"error: {error}") from error


def build_artifacts(part: WheelPart, project: str, *, cache_dir: str = "") -> dict[str, str]:
    """Build and check the artifacts of a part of the `project` in that folder; their paths by their labels.

    Raises WheelError where that fails, and where the targets are none.
    """
    result = _run("build", (), part.targets, project, cache_dir)
    root = _root(project)
    artifacts = {
        each["label"]: os.path.join(root, each["path"]) for each in result["targets"] if each["path"]
    }
    if not artifacts:
        raise WheelError(f"no model_package among {' '.join(part.targets)}")
    if part.verify or part.rebuild:
        _run("verify", ("--rebuild",) if part.rebuild else (), part.targets, project, cache_dir)
    return artifacts


def workspace_inputs(targets: Sequence[str], project: str, *, cache_dir: str = "") -> list[str]:
    """Build artifacts, and list the files that they are built from, relative to the project.

    Raises WheelError where the build fails, or where the workspace does not begin at the project.
    """
    root = _root(project)
    if not os.path.samefile(root, project):
        raise WheelError(
            "a source distribution cannot hold what the artifacts are built from: "
            "the workspace begins outside of the project",
            facts=[("workspace", root), ("project", project)],
            next_step="make wheels of the project itself: "
            "python -m build --wheel, uv build --wheel, or pip wheel .",
        )
    return list(_run("build", ("--inputs",), targets, project, cache_dir)["inputs"])


def artifact_names(targets: Sequence[str], project: str) -> list[str]:
    """List the file names of artifacts, without building them. Raises HermpkgError."""
    return [os.path.basename(target.output) for target in packages_among(targets, project)]


def packages_among(targets: Sequence[str], project: str) -> list[ModelPackage]:
    """List the targets that make artifacts. Raises HermpkgError."""
    from hermpkg_build.core.target import ModelPackage
    from hermpkg_build.disk.source_tree import SourceTree
    from hermpkg_build.loading.loader import Loader
    from hermpkg_build.loading.requested import load_requested
    from hermpkg_build.loading.workspace import find_workspace

    workspace = find_workspace(project)
    package = os.path.relpath(os.path.realpath(project), os.path.realpath(workspace.root)).replace(
        os.sep, "/"
    )
    requested = load_requested(
        Loader(workspace, SourceTree()), list(targets), package="" if package == os.curdir else package
    )
    loaded = [requested.targets[label] for label in requested.labels]
    return [target for target in loaded if isinstance(target, ModelPackage)]


def places_of(artifacts: Mapping[str, str], folder: str) -> dict[str, str]:
    """Tell where each artifact goes in `folder`, by its label. Raises WheelError where two have one place."""
    owners: dict[str, str] = {}
    places = {label: f"{folder}/{os.path.basename(path)}" for label, path in artifacts.items()}
    for label, place in places.items():
        if owners.setdefault(place, label) != label:
            raise WheelError(
                f"{owners[place]} and {label} would both be {place}",
                next_step='give one of them another name with out = "..." in its BUILD file',
            )
    return places


def put_artifacts(artifacts: Mapping[str, str], folder: str) -> dict[str, str]:
    """Copy artifacts into `folder`, and tell the paths there by their labels. Raises WheelError, OSError."""
    from hermpkg_build.disk.replacing import NewFile

    places = places_of(artifacts, folder)
    os.makedirs(folder, exist_ok=True)
    for label, place in places.items():
        with NewFile(folder, mode=MODE) as new, open(artifacts[label], "rb") as source:
            with open(new.descriptor, "wb", closefd=False) as target:
                shutil.copyfileobj(source, target, 1 << 20)
            new.replace(place)
    return places


def put_in_tree(part: WheelPart, project: str, folder: str, *, cache_dir: str = "") -> dict[str, str]:
    """Build the artifacts of a part, and put them into `folder` of the source tree, for editable installs.

    Raises WheelError, also where an artifact would be built from what lies there: it would never be the same
    again. Then the folder is as it was. Raises OSError where it cannot be written.
    """
    artifacts = build_artifacts(part, project, cache_dir=cache_dir)
    places = places_of(artifacts, folder)
    before = [place for place in places.values() if os.path.lexists(place)]
    if before:
        _check_no_inputs(before, part, project, cache_dir)
    put_artifacts(artifacts, folder)
    try:
        _check_no_inputs(places.values(), part, project, cache_dir)
    except WheelError:
        for place in {*places.values()}.difference(before):
            os.unlink(place)
        raise
    return places


def _check_no_inputs(places: Iterable[str], part: WheelPart, project: str, cache_dir: str) -> None:
    """Raise WheelError where artifacts are built from the file at one of `places`."""
    root = _root(project)
    inputs = _run("build", ("--inputs",), part.targets, project, cache_dir)["inputs"]
    read = {os.path.realpath(os.path.join(root, path)) for path in inputs}
    for place in places:
        if os.path.realpath(place) in read:
            raise WheelError(
                "an artifact would be built from the file that it is put to",
                facts=[("file", place)],
                next_step='leave it out where a BUILD file lists it: glob([..], exclude = ["**/*.pt"])',
            )


def _root(project: str) -> str:
    from hermpkg_build.loading.workspace import find_workspace

    return find_workspace(project).root


def _run(
    command: str, options: Iterable[str], targets: Iterable[str], project: str, cache_dir: str
) -> Mapping[str, Any]:
    """Run the command line tool on the targets, and return its JSON. Raises WheelError."""
    words = [
        "--json",
        *([f"--cache-dir={cache_dir}"] if cache_dir else []),
        command,
        *options,
        "--",
        *targets,
    ]
    completed = subprocess.run(
        [sys.executable, "-m", "hermpkg_build", *words],
        cwd=project,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=False,
        # The project's folder is none to import from.
        env={**os.environ, "PYTHONSAFEPATH": "1"},
    )
    try:
        value: Mapping[str, Any] = json.loads(completed.stdout)
    except ValueError:
        value = {}
    if completed.returncode:
        raise WheelError(f"hermpkg {command} failed: {_why(value, completed.returncode)}")
    return value


def _why(value: Mapping[str, Any], code: int) -> str:
    """Tell the reason in one line, from what the tool gave as JSON; it has told all of it by itself."""
    if "error" in value:
        return str(value["error"]["summary"])
    failed = [check for check in value.get("checks", ()) if not check["passed"]]
    return "; ".join(f"{each['subject']}: {each['summary']}" for each in failed) or f"exit code {code}"
