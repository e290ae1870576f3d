"""``hermpkg clean``."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial

from hermpkg_build.cli.arguments import flag
from hermpkg_build.cli.command import CommonArguments, command
from hermpkg_build.cli.console import Console
from hermpkg_build.cli.operands import current_workspace
from hermpkg_build.dataclass import dataclass
from hermpkg_build.errors import ExitCode, LocalEnvironmentError

_ATTEMPTS = 100
"""A build writes to its folder now and then, and removing it takes less."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CleanArguments(CommonArguments):
    """What ``hermpkg clean`` is told."""

    cache: bool = flag("--cache", "remove all cached work too, that of every workspace")


@command(CleanArguments, group="the workspace and hermpkg itself", example="hermpkg clean --cache")
def run(arguments: CleanArguments, console: Console) -> ExitCode:
    """Remove the workspace's ``hermpkg-out``.

    With ``--cache`` also what packages have left in the cache folder where they were loaded: compiled code,
    and unpacked files, environments and fetched artifacts that no process uses.
    """
    from hermpkg_build.core.folders import OUTPUT_FOLDER

    removed: list[str] = []
    outputs = os.path.join(current_workspace().root, OUTPUT_FOLDER)
    if os.path.isdir(outputs) or os.path.islink(outputs):
        _remove_outputs(outputs)
        removed.append(outputs)
    if arguments.cache and os.path.isdir(arguments.cache_dir):
        from hermpkg_build.store.cache import delete_cache

        removed += [*_clean_packages(arguments.cache_dir), *_clean_folders(arguments.cache_dir)]
        if delete_cache(arguments.cache_dir):
            removed.append(arguments.cache_dir)
    console.give_json({"removed": [*removed]})
    for path in removed:
        console.mention(f"removed {path}")
    return ExitCode.SUCCESS


def _remove_outputs(folder: str) -> None:
    """Remove a folder of outputs, to which a build may write meanwhile, or the link to one.

    Raises LocalEnvironmentError where the file system refuses, or a build does not cease to write.
    """
    import errno

    # What was listed is gone, or something came after the folder was listed.
    written_to = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST)
    for attempt in range(1, _ATTEMPTS + 1):
        error = _refusal(folder)
        if error is None or not os.path.lexists(folder):
            return
        is_written_to = error.errno in written_to
        if not is_written_to or attempt == _ATTEMPTS:
            raise LocalEnvironmentError(
                "the outputs cannot be removed",
                facts=[("folder", folder), ("reason", error.strerror or str(error))],
                next_step="clean again once no build writes there" if is_written_to else "",
            ) from error


def _refusal(folder: str) -> OSError | None:
    """Remove a folder or a link; return what the file system says against it."""
    import shutil

    try:
        os.unlink(folder) if os.path.islink(folder) else shutil.rmtree(folder)
    except OSError as error:
        return error
    return None


def _clean_packages(cache: str) -> Iterator[str]:
    """Remove what packages have left in a cache folder; give the folders that are gone."""
    from contextlib import suppress

    from hermpkg_build.runtime.contents.pruning import prune_code, prune_unpacked

    for name, prune in (("unpacked", prune_unpacked), ("code", partial(prune_code, now=True))):
        folder = os.path.join(cache, name)
        if not os.path.isdir(folder):
            continue
        with suppress(OSError):
            for version in os.listdir(folder):
                prune(os.path.join(folder, version), -1)
                for here, _, _ in os.walk(folder, topdown=False):
                    os.rmdir(here)
        if not os.path.lexists(folder):
            yield folder


def _clean_folders(cache: str) -> Iterator[str]:
    """Remove environments and fetched artifacts from a cache folder; give the folders that are gone."""
    from contextlib import suppress

    from hermpkg_build.disk.replacing import discard_folder
    from hermpkg_build.store.environments import environments_folder, forget_unshared
    from hermpkg_build.store.fetched import fetched_place
    from hermpkg_build.store.survey import environment_entries, fetched_entries

    places = (environments_folder(cache), environment_entries), (fetched_place(cache), fetched_entries)
    for folder, entries in places:
        if not os.path.isdir(folder):
            continue
        if not [entry for entry in entries(cache) if not discard_folder(entry.path)]:
            forget_unshared(cache)
            with suppress(OSError):
                for inner in os.scandir(folder):
                    _remove_folder_of_files(inner.path) if inner.is_dir() else os.unlink(inner.path)
                os.rmdir(folder)
        if not os.path.lexists(folder):
            yield folder


def _remove_folder_of_files(folder: str) -> None:
    """Remove a folder in which there are files alone, such as locks. Raises OSError for another one."""
    for entry in os.scandir(folder):
        os.unlink(entry.path)
    os.rmdir(folder)
