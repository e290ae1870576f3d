"""``hermpkg clean``."""

from __future__ import annotations

import os

from hermpkg_build.cli.arguments import Command, Invocation, Option
from hermpkg_build.cli.console import printable
from hermpkg_build.core.canonical_json import Json
from hermpkg_build.errors import ExitCode


def run(invocation: Invocation) -> ExitCode:
    """Remove the workspace's outputs, and with --cache everything cached."""
    import shutil

    from hermpkg_build.cli.building import here
    from hermpkg_build.core.folders import OUTPUT_FOLDER

    removed: list[str] = []
    outputs = os.path.join(here()[0].root, OUTPUT_FOLDER)
    if os.path.islink(outputs):
        os.unlink(outputs)
        removed.append(outputs)
    elif os.path.isdir(outputs):
        shutil.rmtree(outputs)
        removed.append(outputs)
    cache = invocation.settings.cache_directory
    if invocation.has("cache") and os.path.isdir(cache):
        from hermpkg_build.store.cache import delete_cache

        delete_cache(cache)
        removed.append(cache)
    if invocation.settings.json:
        shown: list[Json] = list(removed)
        invocation.console.give_json({"removed": shown})
    for path in removed:
        invocation.console.mention(f"removed {printable(path)}")
    return ExitCode.SUCCESS


COMMAND = Command(
    name="clean",
    words="",
    summary="Removes the outputs of the workspace.",
    run=run,
    options=(Option(names=("--cache",), help="remove all cached work too, of every workspace"),),
)
