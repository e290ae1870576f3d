"""Finds what holds of the preferences: what the workspace says, else the user's file, else what is usual."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from hermpkg_build.core.preferences import PREFERENCES, read_warm
from hermpkg_build.core.user_file import WARM_VARIABLE, user_settings_path
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.user_settings import user_settings
from hermpkg_build.errors import CommandLineError, Location, WorkspaceError
from hermpkg_build.loading.workspace import line_of_setting

if TYPE_CHECKING:
    from hermpkg_build.loading.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """The value of a preference, None where nobody has one, and the file that says so, "" for none."""

    value: object
    origin: str


def preferred(key: str, workspace: Workspace | None) -> Preferred:
    """Return what holds in `workspace`, or outside of any.

    Raises WorkspaceError and CommandLineError where a file has something that cannot be read.
    """
    preference = PREFERENCES[key]
    if workspace is not None and key in workspace.settings:
        path = os.path.join(workspace.root, "pyproject.toml")
        value = workspace.settings[key]
        try:
            return Preferred(value=preference.read(value), origin=path)
        except ValueError as error:
            raise WorkspaceError(
                f"{key} is {error}, not {value!r}",
                location=Location(path, line_of_setting(path, key)),
                next_step=f"write for example: {preference.example}",
            ) from None
    settings = user_settings(os.environ)
    if key in settings:
        return Preferred(value=settings[key], origin=user_settings_path(os.environ))
    return Preferred(value=preference.read(preference.default) if preference.default else None, origin="")


def warm_process(workspace: Workspace | None) -> Preferred:
    """Return whether a process with imported libraries is kept: the variable's word, else the preference.

    Raises CommandLineError for a word that there is not, and what `preferred` raises.
    """
    value = os.environ.get(WARM_VARIABLE)
    if not value:
        return preferred("warm-process", workspace)
    try:
        return Preferred(value=read_warm(value), origin=WARM_VARIABLE)
    except ValueError as error:
        raise CommandLineError(f"{WARM_VARIABLE} is {error}, not {value!r}") from None


def cache_limit(workspace: Workspace | None) -> int | None:
    """Return the bytes that the cache may take after a build of `workspace`; None for any number.

    Raises what `preferred` raises.
    """
    return cast("int | None", preferred("cache-size", workspace).value)
