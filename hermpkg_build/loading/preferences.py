"""Reads what a workspace prefers, by the table of preferences."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from hermpkg_build.core.preferences import PREFERENCES
from hermpkg_build.errors import Location, WorkspaceError
from hermpkg_build.loading.workspace import line_of_setting

if TYPE_CHECKING:
    from hermpkg_build.loading.workspace import Workspace


def cache_limit(workspace: Workspace) -> int | None:
    """Return the bytes that the cache may take after a build of `workspace`; None for any number.

    Raises WorkspaceError where the setting cannot be read.
    """
    return cast("int | None", _preferred(workspace, "cache-size"))


def _preferred(workspace: Workspace, key: str) -> object:
    preference = PREFERENCES[key]
    value = workspace.settings.get(key, preference.default)
    try:
        return preference.read(value)
    except ValueError as error:
        path = os.path.join(workspace.root, "pyproject.toml")
        raise WorkspaceError(
            f"{key} is {error}, not {value!r}",
            location=Location(path, line_of_setting(path, key)),
            next_step=f'write for example: {key} = "{preference.default}"',
        ) from None
