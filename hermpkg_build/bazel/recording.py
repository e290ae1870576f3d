"""How artifacts record their environment, told to Bazel: the lock of the workspace, which no target names.

The repository of the interpreter asks which files may say it (`files_to_ask`) and gives those that there are
to the action `recording`, whose output is an input of every artifact.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from hermpkg_build.bazel.environment import LOOK_AGAIN
from hermpkg_build.bazel.request import ActionRequest
from hermpkg_build.bazel.staging import staged_workspace
from hermpkg_build.core.canonical_json import dumps, loads
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.disk.source_tree import SourceTree
from hermpkg_build.environment.finding import Recording, lock_setting, recording_of, with_lock
from hermpkg_build.environment.project_lock import LOCK_NAMES
from hermpkg_build.errors import HermpkgError, LocalEnvironmentError, Location
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
    is_new = named and named not in found and "\n" not in named and not os.path.isabs(named)
    return [*found, named] if is_new else found


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
        named = lock_setting(settings)
        if named and not os.path.isabs(named) and named not in request.asked:
            raise LocalEnvironmentError(
                "the settings of the workspace name a lock that Bazel has not looked for",
                facts=[("lock", named), ("looked for", ", ".join(request.asked))],
                next_step=LOOK_AGAIN,
            )
        given = {
            os.path.normpath(os.path.join(root, name)): Path(place).read_bytes()
            for name, place in request.files.items()
            if name not in inside
        }
        workspace = Workspace(root=root, settings=settings)
        recording = recording_of(workspace, SourceTree(given=given), None)
    Path(request.output).write_bytes(dumps(to_json(recording)) + b"\n")


def declared_recording(path: str, root: str, tree: SourceTree) -> Callable[[str], Recording]:
    """Return what gives the recording in the file at `path`, or by a lock of the workspace at `root`.

    Without a file nothing says how to record: by what is installed.
    """
    recording = from_json(Recording, loads(Path(path).read_bytes())) if path else Recording()
    return partial(_recording, recording, root, tree)


def _recording(recording: Recording, root: str, tree: SourceTree, lock: str) -> Recording:
    return with_lock(recording, root, lock, tree) if lock else recording
