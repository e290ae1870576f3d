"""Lists the settings that hold here, each with where it comes from."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from hermpkg_build.cli.command import CommonArguments, chosen_cache_directory, preferred_jobs
from hermpkg_build.core.preferences import UNLIMITED
from hermpkg_build.core.texts import size_text
from hermpkg_build.dataclass import dataclass
from hermpkg_build.loading.preferences import cache_limit, preferred, warm_process

if TYPE_CHECKING:
    from hermpkg_build.loading.workspace import Workspace

_USUAL = "usual"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenValue:
    """A setting by its name in files, its value for people, and the option, variable or file that says so."""

    name: str
    value: str
    origin: str


def chosen_values(arguments: CommonArguments, workspace: Workspace | None) -> list[ChosenValue]:
    """Return what holds for a command with these arguments.

    Raises WorkspaceError and CommandLineError where a file has something that cannot be read.
    """
    limit, warm = cache_limit(workspace), warm_process(workspace)
    values = {
        "jobs": (
            str(arguments.jobs),
            "--jobs" if arguments.chosen_jobs else preferred_jobs()[1],
        ),
        "cache-dir": (
            arguments.cache_dir,
            "--cache-dir" if arguments.chosen_cache_dir else chosen_cache_directory()[1],
        ),
        "cache-size": (
            UNLIMITED if limit is None else size_text(limit),
            preferred("cache-size", workspace).origin,
        ),
        "warm-process": (str(warm.value), warm.origin),
        "color": _color(arguments),
    }
    return [
        ChosenValue(name=name, value=value, origin=origin or _USUAL)
        for name, (value, origin) in values.items()
    ]


def _color(arguments: CommonArguments) -> tuple[str, str]:
    if arguments.color:
        return arguments.color, "--color"
    found = preferred("color", None)
    if found.value == "auto":
        if os.environ.get("NO_COLOR"):
            return "never", "NO_COLOR"
        if os.environ.get("FORCE_COLOR", "0") not in ("", "0"):
            return "always", "FORCE_COLOR"
    return str(found.value), found.origin
