"""``hermpkg info``."""

from __future__ import annotations

import os
import platform
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console, error_json
from hermpkg_build.cli.operands import current_workspace
from hermpkg_build.cli.remote import consent_to, servers_of
from hermpkg_build.cli.settings import chosen_values
from hermpkg_build.core.texts import aligned, size_text
from hermpkg_build.core.user_file import user_settings_path
from hermpkg_build.errors import ExitCode, WorkspaceError
from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from hermpkg_build.core.canonical_json import Json
    from hermpkg_build.loading.workspace import Workspace

_ABSENT = {"workspace": "none here", "torch": "not installed"}


@command(CommonArguments, group="the workspace and hermpkg itself", example="hermpkg info")
def run(arguments: CommonArguments, console: Console) -> ExitCode:
    """Show the workspace, the cache, the settings with where they come from, and the versions in use.

    Also the size of the cache, and the servers that work is shared with. Where the settings of these servers
    are wrong it says so, with the exit code that a build would have.
    """
    from dataclasses import asdict

    from hermpkg_build.extension import choose

    workspace = _workspace()
    remote_cache, remote_executor, problem = servers_of(workspace) if workspace else ("", "", None)
    size = _size_of(arguments.cache_dir)
    facts: dict[str, Json] = {
        "workspace": workspace.root if workspace else None,
        "cache_directory": arguments.cache_dir,
        "cache_bytes": size,
        "remote_cache": remote_cache or None,
        "remote_executor": remote_executor or None,
        "remote_consent": consent_to(workspace) if workspace and not problem else None,
        "jobs": arguments.jobs,
        "user_settings": user_settings_path(os.environ),
        "hermpkg": __version__,
        "python": platform.python_version(),
        "python_executable": sys.executable,
        "torch": _version_of("torch"),
        "sources_read": choose().told,
    }
    settings: list[Json] = [asdict(setting) for setting in chosen_values(arguments, workspace)]
    facts_json = {**facts, "settings": settings}
    console.give_json({**facts_json, "error": error_json(problem)} if problem else facts_json)
    for line in aligned(
        (f"{name.replace('_', ' ')}:", _ABSENT.get(name, "none") if value is None else str(value))
        for name, value in {**facts, "cache_bytes": size_text(size)}.items()
    ):
        console.say(line)
    console.say("settings:")
    rows = [(f"  {each.name}", each.value, each.origin) for each in chosen_values(arguments, workspace)]
    for line in aligned(rows):
        console.say(line)
    if problem is not None:
        console.describe(problem)
        return problem.exit_code
    return ExitCode.SUCCESS


def _workspace() -> Workspace | None:
    try:
        return current_workspace()
    except WorkspaceError:
        return None


def _version_of(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _size_of(directory: str) -> int:
    """Add up the sizes of all files under `directory` that can be read."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total
