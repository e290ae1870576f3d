"""``hermpkg clean``."""

from __future__ import annotations

import os
from dataclasses import dataclass

from hermpkg_build.cli.arguments import flag
from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import current_workspace
from hermpkg_build.errors import ExitCode


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanArguments(CommonArguments):
    """What ``hermpkg clean`` is told."""

    cache: bool = flag("--cache", "remove all cached work too, that of every workspace")


@command(CleanArguments, group="the workspace and hermpkg itself", example="hermpkg clean --cache")
def run(arguments: CleanArguments, console: Console) -> ExitCode:
    """Remove the workspace's ``hermpkg-out``."""
    import shutil

    from hermpkg_build.core.folders import OUTPUT_FOLDER

    removed: list[str] = []
    outputs = os.path.join(current_workspace().root, OUTPUT_FOLDER)
    if os.path.islink(outputs):
        os.unlink(outputs)
        removed.append(outputs)
    elif os.path.isdir(outputs):
        shutil.rmtree(outputs)
        removed.append(outputs)
    if arguments.cache and os.path.isdir(arguments.cache_dir):
        from hermpkg_build.store.cache import delete_cache

        if delete_cache(arguments.cache_dir):
            removed.append(arguments.cache_dir)
    console.give_json({"removed": [*removed]})
    for path in removed:
        console.mention(f"removed {path}")
    return ExitCode.SUCCESS
