"""Has the warm process of the last build fork as soon as a build is due. Start-up imports it."""

from __future__ import annotations

import os
from contextlib import suppress

from hermpkg_build.core.user_file import WARM_VARIABLE
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.engine.noted_texts import note_path


def keep_socket(root: str, name: str) -> None:
    """Note the name of the socket of the warm process that made a model of the workspace `root`."""
    note, data = _note(root), _as_noted(name)
    with suppress(OSError):  # Without the note a factory begins later.
        if not os.path.exists(note) or read_limited(note) != data:
            replace_file(note, data)


def forget_socket(root: str) -> None:
    """Let no build of the workspace `root` have a process forked before it knows that it wants one."""
    with suppress(OSError):
        os.unlink(_note(root))


def fork_for_build(root: str) -> None:
    """Have a process forked, if one is there to do so, for the build of the workspace `root` that is due."""
    with suppress(OSError, ValueError):
        noted = read_limited(_note(root))
        name = noted.partition(b"\n")[0].decode()
        if noted != _as_noted(name):
            return
        from hermpkg_build.factories.sockets import private_folder

        folder = private_folder()
        # Workspaces come from anywhere: what is noted names nothing in another folder.
        if folder is None or os.path.basename(name) != name or not name.endswith(".socket"):
            return
        if os.path.exists(path := os.path.join(folder, name)):
            from hermpkg_build.factories.early_fork import fork_early

            fork_early(path)


def _as_noted(name: str) -> bytes:
    """Return a note, with what the environment says of warm processes: where that is another, it is void."""
    words = [os.environ.get(variable, "") for variable in (WARM_VARIABLE, "CI")]
    return "\n".join([name, *words]).encode(errors="surrogateescape")


def _note(root: str) -> str:
    return note_path(root, "", "warm")
