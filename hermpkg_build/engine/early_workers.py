"""Has the warm process of the last build fork as soon as a build is due. Start-up imports it."""

from __future__ import annotations

import os
from collections.abc import Collection
from contextlib import suppress

from hermpkg_build.core.quick_json import loads
from hermpkg_build.core.user_file import WARM_VARIABLE
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.engine.beside_snapshots import read_beside
from hermpkg_build.engine.noted_texts import note_path
from hermpkg_build.engine.snapshot_check import root_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from hermpkg_build.factories.warm_client import Made, WarmProcesses

MADE = "made"
"""What beside a snapshot has what the last build made: a line of JSON, and the request for it."""


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


def made_bytes(warm: WarmProcesses | None) -> bytes:
    """Return what is kept of the first model that a build has made in a warm process; nothing for none."""
    if warm is None or warm.settings.with_build or not warm.made:
        return b""
    import json

    made: Made = warm.made[0]
    return json.dumps([made.socket, made.place, made.files]).encode() + b"\n" + made.request


def fork_for_build(path: str, made: str, changed: Collection[str]) -> None:
    """Have a process forked, if one is there to do so, for the build that is due of the snapshot at `path`.

    Where the factory that ran last read one of the files that have `changed`, it gets ready to run that.
    What is kept of it has the hash `made`, "" for nothing.
    """
    with suppress(OSError, ValueError):
        noted = read_limited(_note(root_of(path)))
        name = noted.partition(b"\n")[0].decode()
        if noted != _as_noted(name):
            return
        from hermpkg_build.factories.sockets import private_folder

        folder = private_folder()
        # Workspaces come from anywhere: what is noted names nothing in another folder.
        if folder is None or os.path.basename(name) != name or not name.endswith(".socket"):
            return
        if os.path.exists(listening := os.path.join(folder, name)):
            from hermpkg_build.factories.early_fork import fork_early

            fork_early(listening, *_likely(path, made, name, changed))


def _likely(path: str, made: str, name: str, changed: Collection[str]) -> tuple[str, bytes]:
    """Return where the process with the socket `name` is likely to work, and its request; "" for unknown."""
    with suppress(OSError, ValueError, TypeError):
        if made:
            line, _, request = read_beside(path, MADE, made).partition(b"\n")
            socket, place, files = loads(line.decode())
            if socket == name and not set(changed).isdisjoint(files):
                return str(place), request
    return "", b""


def _as_noted(name: str) -> bytes:
    """Return a note, with what the environment says of warm processes: where that is another, it is void."""
    words = [os.environ.get(variable, "") for variable in (WARM_VARIABLE, "CI")]
    return "\n".join([name, *words]).encode(errors="surrogateescape")


def _note(root: str) -> str:
    return note_path(root, "", "warm")
