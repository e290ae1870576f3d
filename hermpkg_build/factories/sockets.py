"""Where the sockets of warm processes lie, and how one connects to them."""

from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
from contextlib import suppress


def connected(path: str) -> socket.socket | None:
    """Return a connection to the process that listens at `path`; None where there is none."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(path)
    except OSError:
        connection.close()
        return None
    return connection


def private_folder() -> str | None:
    """The folder for sockets that this user alone can enter, made where it is missing; None for none.

    It is in the user's runtime folder, else in the folder for temporary files.
    """
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    here = f"{runtime}/hermpkg" if os.path.isabs(runtime) and _is_private(runtime) else ""
    path = here or os.path.join(tempfile.gettempdir(), f"hermpkg-{os.geteuid()}")
    with suppress(OSError):
        os.mkdir(path, 0o700)
    return path if _is_private(path) else None


def _is_private(path: str) -> bool:
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o077
