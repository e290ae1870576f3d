"""Listings of folders. Builds begin with them, so that this file imports next to nothing."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping

from hermpkg_build.disk.signatures import FileSignature, signature_of

_NO_FOLDER_ERRORS = (
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EACCES,
    errno.EPERM,
    errno.ELOOP,
    errno.ENAMETOOLONG,
)
"""Errors by which a path does not lead to a folder that can be read. Any other is reported."""


def listing_bytes(entries: Mapping[str, bool] | None) -> bytes:
    """Return what is hashed of a listing: names as the file system has them; None is an absent folder."""
    if entries is None:
        return b"no folder"
    return os.fsencode(
        "".join([f"{name}/\0" if is_folder else f"{name}\0" for name, is_folder in entries.items()])
    )


def list_folder(directory: str) -> tuple[Mapping[str, bool] | None, FileSignature | None]:
    """A listing by name, and the folder's signature where an equal one later means an equal listing."""
    assert os.path.isabs(directory), directory
    found: dict[str, bool] = {}
    links = False
    try:
        signature = signature_of(os.stat(directory))
        with os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    found[entry.name] = False
                    continue
                links = links or entry.is_symlink()
                kind = _is_folder(entry)
                if kind is not None:
                    found[entry.name] = kind
    except OSError as error:
        if error.errno in _NO_FOLDER_ERRORS:
            return None, None
        raise
    except ValueError:  # No path has NUL characters in it.
        return None, None
    found.pop("__pycache__", None)
    return dict(sorted(found.items())), None if links else signature


def _is_folder(entry: os.DirEntry[str]) -> bool | None:
    """Whether an entry leads to a folder or to a file; None for neither."""
    try:
        if entry.is_dir():
            return True
        return False if entry.is_file() else None
    except OSError:
        return None
