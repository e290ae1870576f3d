"""Where environments of artifacts are kept: a folder for each, which holds its state when it is whole."""

from __future__ import annotations

import json
import os
import time
from contextlib import suppress
from typing import Any

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.store.usage import space_of

ENVIRONMENTS = "environments of artifacts"
"""What people are told that these folders are."""

_STATE = "hermpkg-environment.json"


def environments_place(directory: str) -> str:
    """Return the folder of all environments in a cache folder."""
    return os.path.join(environments_folder(directory), "v1")


def environments_folder(directory: str) -> str:
    """Return the folder of all that environments in a cache folder have."""
    return os.path.join(directory, "environments")


def finish(folder: str) -> None:
    """Note that an environment is whole. Raises OSError."""
    state = {"bytes": _size_below(folder)}
    replace_file(os.path.join(folder, _STATE), json.dumps(state).encode())


def is_whole(folder: str) -> bool:
    """Tell whether an environment was made to its end, and its Python is still there."""
    return os.path.isfile(os.path.join(folder, _STATE)) and os.access(python_in(folder), os.X_OK)


def mark_used(folder: str) -> None:
    """Note that an environment is used now: those that are not go first."""
    with suppress(OSError):
        os.utime(os.path.join(folder, _STATE))


def python_in(folder: str) -> str:
    """Return the path of an environment's interpreter."""
    return os.path.join(folder, "bin", "python")


def environment_size(folder: str) -> tuple[int, int]:
    """Return the space that an environment takes, and when it was used last, in nanoseconds."""
    path = os.path.join(folder, _STATE)
    try:
        state: Any = loads(read_limited(path))
        return int(state["bytes"]), os.stat(path).st_mtime_ns
    except (OSError, ValueError, KeyError, TypeError):
        pass
    try:
        return _size_below(folder), os.lstat(folder).st_mtime_ns
    except OSError:
        return 0, time.time_ns()


def _size_below(folder: str) -> int:
    size = 0
    for here, _, names in os.walk(folder):
        for name in names:
            with suppress(OSError):
                size += space_of(os.lstat(os.path.join(here, name)).st_size)
    return size


def shared_files_place(folder: str) -> str:
    """Return where the files lie that the environment in `folder` shares with those beside it."""
    return os.path.join(os.path.dirname(os.path.dirname(folder)), "files")


def forget_unshared(directory: str) -> None:
    """Remove the shared files that no environment in a cache folder has any more."""
    place = shared_files_place(os.path.join(environments_place(directory), "any"))
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            with suppress(OSError):
                if entry.stat(follow_symlinks=False).st_nlink == 1:
                    os.unlink(entry.path)
