"""Unpacks records into a folder named by their digest, which all processes that need them share.

The folder is made aside and renamed, so it is there whole or not at all. Each process compares the files
with its artifact before it gives out a path, and writes those anew that differ. As long as it lives it holds
a lock on the folder: where folders become too many, those go that nobody holds.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import suppress

from hermpkg_build.archive.file_names import problem_as_file
from hermpkg_build.disk.cache_directory import default_cache_directory
from hermpkg_build.disk.files import write_file
from hermpkg_build.disk.replacing import (
    ASIDE,
    hold_folder,
    is_open_at,
    new_folder,
    remove_abandoned,
    replace_file,
)
from hermpkg_build.disk.trust import check_private_folder
from hermpkg_build.errors import LocalEnvironmentError
from hermpkg_build.runtime.contents.pruning import prune_unpacked, unpacked_limit

_FORMAT = "v1"
_ABANDONED_AFTER_S = 3600
_FILE_MODE = 0o444
_TRIALS = 20
"""How often a folder is made that others remove before it is held: each time they must be faster."""

_held: dict[str, int] = {}
"""The descriptors by which this process, and its forks, hold folders, by path; never closed."""

Files = Mapping[str, memoryview]
"""Contents by relative path with ``/``, none of which leads out of the folder."""


def unpack(files: Files) -> str:
    """Unpack `files` and give the absolute path of the folder, which holds exactly these.

    It lies in the user's cache or, where that cannot hold it, in a folder of the user's own among the
    temporary files; a place that others can write to is not used. It stays there as long as this process
    lives. Raises LocalEnvironmentError where neither can be used.
    """
    limit = unpacked_limit()
    name = _digest(files)
    reasons = []
    for record in files:
        if problem := problem_as_file(record):
            raise LocalEnvironmentError(
                "a file that packaged code reads by its path cannot be unpacked here",
                facts=[("record", record), ("reason", problem)],
            )
    for place in places():
        folder = os.path.join(place, name)
        try:
            is_new = _make_and_hold(place, folder, files)
            _check(folder, files)
            if is_new:
                with suppress(OSError):
                    prune_unpacked(place, limit)
        except OSError as error:
            reasons.append((place, f"{error.strerror or error}"))
            continue
        return folder
    raise LocalEnvironmentError(
        "the files that packaged code reads by their paths cannot be unpacked anywhere",
        facts=reasons,
        next_step="set HERMPKG_CACHE_DIR to a folder that you can write to and others cannot",
    )


def _digest(files: Files) -> str:
    whole = hashlib.sha256()
    for name, content in sorted(files.items()):
        whole.update(f"{len(name)} {name} {hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()


def places() -> Iterator[str]:
    """Give the folders that files are unpacked in, the first choice first."""
    yield os.path.join(default_cache_directory(os.environ), "unpacked", _FORMAT)
    # One folder, not one in another: whoever had made the outer could exchange the inner one.
    # On Windows the temporary files are the user's own.
    user = ""
    if sys.platform != "win32":
        user = f"{os.getuid()}-"
    yield os.path.join(tempfile.gettempdir(), f"hermpkg-{user}unpacked-{_FORMAT}")


def _make_and_hold(place: str, folder: str, files: Files) -> bool:
    """Make `folder` where it is missing, and hold it; return whether it was made."""
    is_new = False
    for _ in range(_TRIALS):
        if folder in _held and is_open_at(_held[folder], folder):
            break
        if not os.path.isdir(folder):
            _make(place, folder, files)
            is_new = True
        descriptor = hold_folder(folder)
        if descriptor is not None:
            _held[folder] = descriptor
            break
    with suppress(OSError):
        os.utime(folder)
    return is_new


def _make(place: str, folder: str, files: Files) -> None:
    """Make `folder` aside and rename it, unless another process has made the same meanwhile."""
    os.makedirs(place, mode=0o700, exist_ok=True)
    check_private_folder(place)
    remove_abandoned(place, age_s=_ABANDONED_AFTER_S, prefix=ASIDE)
    with new_folder(place) as aside:
        for name, content in files.items():
            path = os.path.join(aside, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            write_file(path, content, mode=_FILE_MODE)
        try:
            os.rename(aside, folder)
        except OSError:
            if not os.path.isdir(folder):
                raise


def _check(folder: str, files: Files) -> None:
    """Check that `folder` is the user's own and has exactly `files`; write those anew that differ."""
    check_private_folder(os.path.dirname(folder))
    check_private_folder(folder)
    for name in _strays(folder, files):
        with suppress(FileNotFoundError):  # Another process mends the same at the same time.
            os.unlink(os.path.join(folder, name))
    for name, content in files.items():
        path = os.path.join(folder, name)
        if not _holds(path, content):
            # Aside means beside the folder: in it, other processes would take the new file for a stray.
            replace_file(path, content, mode=_FILE_MODE, aside=os.path.dirname(folder))


def _strays(folder: str, files: Files) -> Iterator[str]:
    """Find files other than `files`, which packaged code that lists its folder must not find."""
    for here, folders, names in os.walk(folder):
        if "__pycache__" in folders:
            folders.remove("__pycache__")
        for name in names:
            relative = os.path.relpath(os.path.join(here, name), folder).replace(os.sep, "/")
            if relative not in files:
                yield relative


def _holds(path: str, content: memoryview) -> bool:
    try:
        with open(path, "rb", buffering=0) as file:
            if os.fstat(file.fileno()).st_size != len(content):
                return False
            return not content or memoryview(file.readall()) == content
    except OSError:
        return False
