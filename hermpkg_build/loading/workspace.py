"""Finds the workspace that a folder lies in, and reads its settings."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from typing import cast

from hermpkg_build.core.canonical_json import Json
from hermpkg_build.core.folders import BUILD_NAME_SETTING, BUILD_NAMES, OWN_BUILD_NAME
from hermpkg_build.core.preferences import PREFERENCES
from hermpkg_build.core.spelling import question
from hermpkg_build.core.toml_text import NestedTooDeeplyError, parse_toml
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.trust import VARIABLE, is_own, is_trusted, owner_of
from hermpkg_build.errors import Location, WorkspaceError
from hermpkg_build.loading.layout import BAZEL_MARKERS, find_layout, project_name

WORKSPACE_MARKERS = ("pyproject.toml", *BAZEL_MARKERS)
"""The files that can make a folder the root of a workspace."""

_REMOTE = ("remote-", "credential-")
"""How settings of remote servers begin, which no other program has."""

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.+-]*")
"""Names of files that mean the same to every system, shell and label."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A tree of BUILD files.

    `root` is absolute; `source_roots` are the folders, relative to it and without "/" at the ends
    ("" is the root), that dotted module names count from; `settings` is the rest of
    ``[tool.hermpkg]``. `project` is the name of the distribution that is made of it, "" for none. A BUILD
    file has one of the `build_names`; where a folder has several, the first counts.
    """

    root: str
    source_roots: tuple[str, ...] = ("",)
    settings: Mapping[str, Json] = field(default_factory=dict)
    project: str = ""
    build_names: tuple[str, ...] = BUILD_NAMES


def package_at(workspace: Workspace, directory: str) -> str:
    """Return the folder that a request was made in, relative to the workspace; "" for its root."""
    path = os.path.relpath(directory, workspace.root)
    return "" if path == os.curdir else path.replace(os.sep, "/")


class NoWorkspaceError(WorkspaceError):
    """No folder on the way up is the root of a workspace."""


def find_workspace(start: str) -> Workspace:
    """Return the workspace of the folder `start`: that of the nearest marker, upward.

    A marker is a `pyproject.toml` with ``[tool.hermpkg]``, or Bazel's `MODULE.bazel`, `WORKSPACE` or
    `WORKSPACE.bazel`. Raises NoWorkspaceError where there is none, WorkspaceError where the settings are
    wrong, and where another user has put it above `start`.
    """
    folder = os.path.abspath(start)
    while True:
        path = os.path.join(folder, "pyproject.toml")
        document = _document(path) if os.path.isfile(path) else {}
        table = _hermpkg_table(document)
        if table is not None:
            _check_owner(path, start)
            return _workspace(folder, path, table, document)
        for marker in BAZEL_MARKERS:
            if os.path.isfile(path := os.path.join(folder, marker)):
                _check_owner(path, start)
                return Workspace(root=folder)
        parent = os.path.dirname(folder)
        if parent == folder:
            break
        folder = parent
    raise NoWorkspaceError(
        "no workspace here",
        facts=[
            ("searched", f"{os.path.abspath(start)} and every folder above it"),
            ("looked for", f"pyproject.toml with [tool.hermpkg], {', '.join(BAZEL_MARKERS)}"),
        ],
        next_step="make one of a project with a model:\n    hermpkg init\n"
        "or by hand, at the root of your code:\n    printf '\\n[tool.hermpkg]\\n' >> pyproject.toml",
    )


def _check_owner(path: str, start: str) -> None:
    """Raise WorkspaceError where the marker at `path` belongs to neither this user nor the owner of `start`.

    Who goes into a folder of somebody else means to build it; who is in one of their own does not know what
    others have put into the folders above.
    """
    for status in (os.lstat(path), os.stat(path)):
        if is_own(status) or status.st_uid == os.stat(start).st_uid or is_trusted(path):
            continue
        raise WorkspaceError(
            "the workspace above this folder belongs to another user",
            facts=[("workspace", path), ("owner", owner_of(status)), ("folder", os.path.abspath(start))],
            next_step=f"add a pyproject.toml with the line [tool.hermpkg] to your own code, or trust what\n"
            f"its owner has put there: {VARIABLE}={os.path.dirname(path)}",
        )


def project_document(folder: str) -> Mapping[str, object]:
    """Return what the ``pyproject.toml`` of a project says, {} where there is none. Raises WorkspaceError."""
    path = os.path.join(folder, "pyproject.toml")
    return _document(path, whoever=True) if os.path.isfile(path) else {}


def _document(path: str, *, whoever: bool = False) -> dict[str, object]:
    """Return what a ``pyproject.toml`` says; nothing where it does not speak of hermpkg, or of `whoever`."""
    try:
        data = read_limited(path)
    except OSError as error:
        raise WorkspaceError(f"cannot read {path}: {error.strerror}") from error
    if b"hermpkg" not in data and not whoever:
        # Most of the pyproject.toml files on the way up belong to other programs and are not parsed.
        return {}
    try:
        document: dict[str, object] = parse_toml(data)
    except NestedTooDeeplyError:
        raise WorkspaceError("what it holds is nested too deeply", location=Location(path)) from None
    except ValueError as error:  # not TOML, not UTF-8, or a number of thousands of digits
        raise WorkspaceError(f"not a TOML file: {error}", location=Location(path)) from None
    return document


def _hermpkg_table(document: Mapping[str, object]) -> object:
    """Return the value of ``tool.hermpkg``; None where there is none."""
    tool = document.get("tool")
    return tool.get("hermpkg") if isinstance(tool, dict) else None


def _workspace(folder: str, path: str, table: object, document: Mapping[str, object]) -> Workspace:
    location = Location(path)
    settings = _settings(table, path)
    names = _build_names(settings, path)
    project = project_name(document)
    if "source-roots" not in settings:
        found = find_layout(document, folder).source_roots
        return Workspace(
            root=folder, source_roots=found, settings=settings, project=project, build_names=names
        )
    roots = settings.pop("source-roots")
    if not isinstance(roots, list) or not all(isinstance(root, str) for root in roots) or not roots:
        raise WorkspaceError(
            f"source-roots is a list of folders, not {roots!r}",
            location=location,
            next_step='write for example: source-roots = ["src"]',
        )
    return Workspace(
        root=folder,
        source_roots=tuple(dict.fromkeys(_source_root(folder, str(root), location) for root in roots)),
        settings=settings,
        project=project,
        build_names=names,
    )


def _build_names(settings: dict[str, Json], path: str) -> tuple[str, ...]:
    """Take the name of BUILD files out of the settings; return the names that they have."""
    if BUILD_NAME_SETTING not in settings:
        return BUILD_NAMES
    name = settings.pop(BUILD_NAME_SETTING)
    if isinstance(name, str) and _FILE_NAME.fullmatch(name) and not name.endswith((".bzl", ".py")):
        return (name,)
    raise WorkspaceError(
        f"{BUILD_NAME_SETTING} is the name of a file, not {name!r}",
        location=Location(path, line_of_setting(path, BUILD_NAME_SETTING)),
        next_step=f'write for example: {BUILD_NAME_SETTING} = "{OWN_BUILD_NAME}"',
    )


def settings_in(path: str) -> Mapping[str, Json]:
    """Return what the ``pyproject.toml`` at `path` says in ``[tool.hermpkg]``, {} where it says nothing.

    Raises WorkspaceError where it cannot be read, or has a setting that there is not.
    """
    table = _hermpkg_table(_document(path))
    return {} if table is None else _settings(table, path)


def _settings(table: object, path: str) -> dict[str, Json]:
    if not isinstance(table, dict):
        raise WorkspaceError(
            f"tool.hermpkg is a table, not {table!r}",
            location=Location(path),
            next_step="write [tool.hermpkg]",
        )
    settings = cast("dict[str, Json]", dict(table))
    _check_names(settings, path)
    return settings


def _check_names(settings: Iterable[str], path: str) -> None:
    """Raise WorkspaceError for a setting that does not exist, unless it looks like another program's."""
    own = (
        "source-roots",
        BUILD_NAME_SETTING,
        "wheel",
        "setuptools",
        "environment",
        "environment-urls",
        *(key for key, each in PREFERENCES.items() if not each.why_not_shared),
    )
    others = [name for name in settings if name not in own]
    if not others:
        return
    from hermpkg_build.remote.settings import SETTINGS

    remote = [setting.key for setting in SETTINGS.values()]
    for name in others:
        if name in remote:
            continue
        if name in PREFERENCES:
            raise WorkspaceError(
                f"{name} is no setting of a workspace: {PREFERENCES[name].why_not_shared}",
                location=Location(path, line_of_setting(path, name)),
                next_step="move it to your own settings: hermpkg info says where they are",
            )
        meant = question(name.replace("_", "-"), (*own, *remote))
        if meant or name.startswith(_REMOTE):
            raise WorkspaceError(
                f"tool.hermpkg has no setting {name!r}",
                location=Location(path, line_of_setting(path, name)),
                next_step=meant or f"settings of remote servers are {', '.join(remote)}",
            )


def line_of_setting(path: str, name: str) -> int:
    """Return the line that sets `name` in the file at `path`, 0 where none is found.

    A parser of TOML does not tell; this looks for the line as people write it.
    """
    key = re.compile(rf"\s*(?:tool\s*\.\s*hermpkg\s*\.\s*)?[\"']?{re.escape(name)}[\"']?\s*[=.]")
    try:
        with open(path, encoding="utf-8-sig") as file:
            return next((number for number, line in enumerate(file, 1) if key.match(line)), 0)
    except (OSError, UnicodeDecodeError):
        return 0


def _source_root(folder: str, root: str, location: Location) -> str:
    normal = os.path.normpath(root).replace(os.sep, "/") if root else ""
    normal = "" if normal == "." else normal
    if os.path.isabs(root) or normal == ".." or normal.startswith("../"):
        raise WorkspaceError(
            f"source root {root!r} lies outside of the workspace",
            location=location,
            next_step="name a folder relative to the workspace root",
        )
    if not os.path.isdir(os.path.join(folder, normal)):
        raise WorkspaceError(f"source root {root!r} is not a folder", location=location)
    return normal
