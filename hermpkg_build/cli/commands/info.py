"""``hermpkg info``."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING

from hermpkg_build.cli.arguments import Command, Invocation
from hermpkg_build.cli.console import Console, error_json, printable, size_text
from hermpkg_build.cli.remote import servers_of
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.errors import ExitCode, WorkspaceError
from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from hermpkg_build.loading.workspace import Workspace


def run(invocation: Invocation) -> ExitCode:
    """Show where things are, which servers work is shared with, and which versions are in use.

    Where what the workspace says of servers is wrong that is told too, and the exit code is its own.
    """
    cache = invocation.settings.cache_directory
    size = _size_of(cache)
    workspace = _workspace()
    remote_cache, remote_executor, problem = servers_of(workspace) if workspace else ("", "", None)
    facts: dict[str, Json] = {
        "workspace": workspace.root if workspace else None,
        "cache_directory": cache,
        "cache_bytes": size,
        "remote_cache": remote_cache or None,
        "remote_executor": remote_executor or None,
        "jobs": invocation.settings.jobs,
        "hermpkg": __version__,
        "python": platform.python_version(),
        "python_executable": sys.executable,
        "torch": _version_of("torch"),
    }
    console = invocation.console
    if console.json:
        console.give_json({**facts, "error": error_json(problem)} if problem else facts)
    else:
        _say({**facts, "cache_bytes": size_text(size)}, console)
    if problem is not None:
        console.describe(problem)
        return problem.exit_code
    return ExitCode.SUCCESS


def _say(facts: Mapping[str, Json], console: Console) -> None:
    absent = {
        "workspace": "none here",
        "remote_cache": "none",
        "remote_executor": "none",
        "torch": "not installed",
    }
    width = max(map(len, facts)) + 1
    for name, value in facts.items():
        shown = absent.get(name, "unknown") if value is None else str(value)
        console.say(f"{name.replace('_', ' ') + ':':<{width}} {printable(shown)}")


def _workspace() -> Workspace | None:
    from hermpkg_build.loading.workspace import find_workspace

    try:
        return find_workspace(os.getcwd())
    except WorkspaceError:
        return None


def _version_of(distribution: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return None


def _size_of(directory: str) -> int:
    """The bytes of all files under `directory`; what goes away meanwhile or cannot be read counts nothing."""
    total = 0
    for folder, _, names in os.walk(directory):
        for name in names:
            with suppress(OSError):
                total += os.lstat(os.path.join(folder, name)).st_size
    return total


COMMAND = Command(name="info", words="", summary="Shows the workspace, the caches and the versions.", run=run)
