"""How artifacts record their environment, told to Bazel: the lock of the workspace, which no target names.

The repository of the interpreter asks which files may say it (`files_to_ask`) and gives those that there are
to the action `recording`, whose output is an input of every artifact.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path

from hermpkg_build.bazel.environment import LOOK_AGAIN
from hermpkg_build.bazel.request import ActionRequest
from hermpkg_build.bazel.staging import staged_workspace
from hermpkg_build.core.canonical_json import dumps, loads
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.environment.finding import (
    Recording,
    files_of_lock,
    lock_setting,
    recording_of,
    with_lock,
)
from hermpkg_build.environment.project_lock import LOCK_NAMES
from hermpkg_build.environment.toml_fields import LockFormError
from hermpkg_build.errors import HermpkgError, LocalEnvironmentError, Location, WorkspaceError
from hermpkg_build.loading.workspace import Workspace, settings_in

_SETTINGS = "pyproject.toml"


def files_to_ask(root: str) -> list[str]:
    """List the files of the workspace at `root` that may say how to record, whether they are there or not.

    Settings that are wrong are told by the action that reads them.
    """
    found = [_SETTINGS, *LOCK_NAMES]
    path = os.path.join(root, _SETTINGS)
    try:
        named = lock_setting(settings_in(path)) if root and os.path.isfile(path) else ""
    except HermpkgError:
        named = ""
    if named and not os.path.isabs(named):
        found.append(named)
    included = [file for name in found for file in _read_for(name, root, SourceTree())] if root else []
    return [name for name in dict.fromkeys([*found, *included]) if "\n" not in name]


def files_included(lock: str) -> list[str]:
    """List the files that the file of requirements at the path `lock` includes. Raises WorkspaceError."""
    root, name = os.path.split(lock)
    try:
        files = files_of_lock(root, name, SourceTree())
    except (LockFormError, OSError) as error:
        raise WorkspaceError(str(error)) from None
    return [os.path.normpath(os.path.join(root, file)) for file in files if file != name]


def _read_for(name: str, root: str, tree: SourceTree) -> list[str]:
    """List the files that are read for the lock `name`, up to the first one that cannot be read."""
    read: list[str] = []
    with suppress(LockFormError, OSError):
        files_of_lock(root, name, tree, read.append)
    return read


def write_recording(request: ActionRequest) -> None:
    """Read the settings and the lock among the files of a request, and write what they come to.

    Raises WorkspaceError for settings and locks that are wrong, LocalEnvironmentError where the settings name
    a lock that Bazel has not looked for.
    """
    inside = {name: path for name, path in request.files.items() if not name.startswith("../")}
    with staged_workspace(inside) as root:
        path = os.path.join(root, _SETTINGS)
        try:
            settings = settings_in(path) if _SETTINGS in request.files else {}
        except HermpkgError as error:
            if error.location is not None:
                error.location = Location(_SETTINGS, error.location.line, error.location.column)
            raise
        given = {
            os.path.normpath(os.path.join(root, name)): Path(place).read_bytes()
            for name, place in request.files.items()
            if name not in inside
        }
        tree = SourceTree(given=given)
        named = lock_setting(settings)
        for name in [named] if named and not os.path.isabs(named) else LOCK_NAMES:
            _check_asked(request, _read_for(name, root, tree))
        recording = recording_of(Workspace(root=root, settings=settings), tree, None)
    Path(request.output).write_bytes(dumps(to_json(recording)) + b"\n")


def _check_asked(request: ActionRequest, read: Iterable[str]) -> None:
    for name in read:
        if name not in request.asked:
            raise LocalEnvironmentError(
                "the workspace has a lock that Bazel has not looked for",
                facts=[("lock", name), ("looked for", ", ".join(request.asked))],
                next_step=LOOK_AGAIN,
            )


def declared_recording(path: str, root: str, tree: SourceTree) -> Callable[[str], Recording]:
    """Return what gives the recording in the file at `path`, or by a lock of the workspace at `root`.

    Without a file nothing says how to record: by what is installed.
    """
    recording = from_json(Recording, loads(Path(path).read_bytes())) if path else Recording()
    return partial(_recording, recording, root, tree)


def _recording(recording: Recording, root: str, tree: SourceTree, lock: str) -> Recording:
    return with_lock(recording, root, lock, tree) if lock else recording
