"""Finds locks: that of a target, or of its workspace, by the setting ``environment``, or else by its name."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Protocol

from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.dataclass import dataclass
from hermpkg_build.environment.project_lock import (
    LOCK_NAMES,
    LOCK_VERSION,
    ProjectLock,
    kind_of,
    read_project_lock,
)
from hermpkg_build.environment.requirements_file import has_hashes, with_included
from hermpkg_build.environment.toml_fields import LockFormError
from hermpkg_build.errors import Location, WorkspaceError
from hermpkg_build.loading.workspace import Workspace, line_of_setting
from hermpkg_build.store.action_cache import ActionResult

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.disk.source_tree import SourceTree

SETTING = "environment"
URLS_SETTING = "environment-urls"
INSTALLED = "installed"
OFF = "off"
_EXAMPLE = f'write for example: {SETTING} = "uv.lock", or "{INSTALLED}", or "{OFF}"'


class KeptResults(Protocol):
    """Where what was read of a lock is kept: parsing a large one takes long."""

    def get(self, key: Digest) -> ActionResult | None:
        """Return what is kept under a key, None for nothing."""
        ...

    def put(self, key: Digest, result: ActionResult) -> None:
        """Keep a result."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """How artifacts of a workspace record their environment.

    `lock` is the project's, None where it has none; nothing is recorded where it `is_off`, and no URLs of
    files unless `urls`. `problem` says why the lock that was found is not used.
    """

    lock: ProjectLock | None = None
    is_off: bool = False
    urls: bool = False
    problem: str = ""


def recording_of(
    workspace: Workspace, tree: SourceTree, kept: KeptResults | None, lock: str = ""
) -> Recording:
    """Find how `workspace` wants environments recorded; where `lock` is given, by that file of it.

    Raises WorkspaceError for settings that are wrong. A lock that is only found by its name, and cannot be
    read, is no error.
    """
    if lock:
        return with_lock(Recording(urls=_settings(workspace)[1]), workspace.root, lock, tree, kept)
    stated, urls = _settings(workspace)
    if stated == OFF:
        return Recording(is_off=True)
    if stated == INSTALLED:
        return Recording(urls=urls)
    if stated:
        return Recording(lock=_named_lock(workspace, stated, tree, kept), urls=urls)
    name = _lock_by_name(workspace.root, tree)
    if not name:
        return Recording(urls=urls)
    try:
        return Recording(lock=_read(workspace.root, name, tree, kept), urls=urls)
    except (LockFormError, OSError) as error:
        problem = f'{name} is not used: {_reason(error)}\n  -> mend it, or say {SETTING} = "{INSTALLED}"'
        return Recording(urls=urls, problem=f"{problem} in [tool.hermpkg] of pyproject.toml")


def with_lock(
    recording: Recording, root: str, name: str, tree: SourceTree, kept: KeptResults | None = None
) -> Recording:
    """Return `recording` by the lock `name` of the workspace at `root`. Raises WorkspaceError."""
    try:
        lock = _read(root, name, tree, kept)
    except (LockFormError, OSError) as error:
        raise _unreadable(name, error) from None
    return Recording(lock=lock, urls=recording.urls)


def files_of_lock(
    root: str, name: str, tree: SourceTree, will_read: Callable[[str], object] = str
) -> Mapping[str, bytes]:
    """Read the lock `name` of the workspace at `root` and what it includes: bytes by names in the workspace.

    Each is told to `will_read` before it is read. Raises LockFormError and OSError.
    """

    def read(file: str) -> bytes:
        will_read(file)
        try:
            return tree.read(os.path.normpath(os.path.join(root, file)))
        except OSError as error:
            if file == name:
                raise
            raise LockFormError(f"it includes {file}, which cannot be read: {_reason(error)}") from None

    return with_included(name, read) if kind_of(name) == "requirements.txt" else {name: read(name)}


def lock_setting(settings: Mapping[str, Json]) -> str:
    """Return the lock that the setting ``environment`` names, "" for none."""
    stated = settings.get(SETTING, "")
    return stated if isinstance(stated, str) and stated not in (INSTALLED, OFF) else ""


def _settings(workspace: Workspace) -> tuple[str, bool]:
    stated = workspace.settings.get(SETTING, "")
    urls = workspace.settings.get(URLS_SETTING, False)
    if not isinstance(stated, str) or "\0" in stated or os.path.isabs(stated):
        raise _wrong(workspace, SETTING, f"is a file of the workspace, not {stated!r}", _EXAMPLE)
    if not isinstance(urls, bool):
        text = f"is true or false, not {urls!r}"
        raise _wrong(workspace, URLS_SETTING, text, f"write for example: {URLS_SETTING} = true")
    return stated, urls


def _wrong(workspace: Workspace, setting: str, problem: str, next_step: str) -> WorkspaceError:
    path = os.path.join(workspace.root, "pyproject.toml")
    location = Location("pyproject.toml", line_of_setting(path, setting))
    return WorkspaceError(f"{setting} {problem}", location=location, next_step=next_step)


def _named_lock(workspace: Workspace, name: str, tree: SourceTree, kept: KeptResults | None) -> ProjectLock:
    try:
        return _read(workspace.root, name, tree, kept)
    except OSError as error:
        raise _wrong(
            workspace, SETTING, f"names {name}, which cannot be read: {_reason(error)}", _EXAMPLE
        ) from None
    except LockFormError as error:
        raise _unreadable(name, error) from None


def _unreadable(name: str, error: Exception) -> WorkspaceError:
    return WorkspaceError(
        f"the lock cannot be read: {_reason(error)}",
        location=Location(name),
        next_step="write it anew with the tool that made it: pylock.toml, uv.lock, poetry.lock and "
        "requirements with hashes can be read",
    )


def _reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _lock_by_name(root: str, tree: SourceTree) -> str:
    for name in LOCK_NAMES:
        path = os.path.join(root, name)
        if not tree.is_file(path):
            continue
        try:
            if kind_of(name) != "requirements.txt" or has_hashes(tree.read(path)):
                return name
            if any(map(has_hashes, files_of_lock(root, name, tree).values())):
                return name
        except LockFormError:
            continue  # Nothing of it is locked that can be read.
        except OSError:
            return name  # Reading it again tells what is wrong.
    return ""


def _read(root: str, name: str, tree: SourceTree, kept: KeptResults | None) -> ProjectLock:
    """Read a lock. Raises LockFormError and OSError."""
    files = files_of_lock(root, name, tree)
    if kept is None:
        return read_project_lock(files)
    digests = [[file, str(Digest.of(data))] for file, data in files.items()]
    key = fingerprint(["lock of a project", LOCK_VERSION, digests])
    known = kept.get(key)
    if known is not None:
        try:
            return from_json(ProjectLock, known.facts)
        except ValueError:
            pass
    lock = read_project_lock(files)
    kept.put(key, ActionResult(outputs={}, facts=to_json(lock)))
    return lock
