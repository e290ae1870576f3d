"""Has the warm process of the last build fork as soon as a build is due. Start-up imports it."""

from __future__ import annotations

import os
from contextlib import suppress

from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.engine.noted_texts import note_path


def keep_socket(root: str, name: str) -> None:
    """Note the name of the socket of the warm process that made a model of the workspace `root`."""
    note = _note(root)
    with suppress(OSError):  # Without the note a factory begins later.
        if not os.path.exists(note) or read_limited(note) != name.encode():
            replace_file(note, name.encode())


def fork_for_build(root: str) -> None:
    """Have a process forked, if one is there to do so, for the build of the workspace `root` that is due."""
    with suppress(OSError, ValueError):
        name = read_limited(_note(root)).decode()
        from hermpkg_build.factories.sockets import private_folder

        folder = private_folder()
        # Workspaces come from anywhere: what is noted names nothing in another folder.
        if folder is None or os.path.basename(name) != name or not name.endswith(".socket"):
            return
        if os.path.exists(path := os.path.join(folder, name)):
            from hermpkg_build.factories.early_fork import fork_early

            fork_early(path)


def _note(root: str) -> str:
    return note_path(root, "", "warm")
