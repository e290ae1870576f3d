"""The check that nothing changed since a snapshot. Builds begin with it, so that it imports next to nothing.

A snapshot vouches for artifacts, so that one which came with a checkout is not to be found: the names of
snapshots depend on the inode and the time of change of a file beside them, which nobody can choose.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from stat import S_ISREG

from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.core.short_hash import short_hash
from hermpkg_build.disk.listings import list_folder, listing_bytes
from hermpkg_build.disk.signatures import FileSignature, signature_of
from hermpkg_build.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Stored: TypeAlias = dict[str, Any]

FORMAT = 3
_MOST_CHANGED = 100
"""After so many edits all is looked at again."""

_ABSENT = short_hash(listing_bytes(None))


def origin_file(root: str) -> str:
    """Return the path of the file that names of snapshots of the workspace `root` depend on."""
    return os.path.join(root, STATE_FOLDER, "made-here")


def origin_of_state(root: str) -> str:
    """Return what the names of files that vouch for something depend on, so that nobody can choose them."""
    origin = os.lstat(origin_file(root))
    return f"{origin.st_ino} {origin.st_ctime_ns}"


def words_of(
    patterns: Sequence[str], *, out: str | None = None, strict_imports: bool = False, conditions: str = ""
) -> tuple[str, ...]:
    """Return what tells a request from others in the same folder; `conditions` are JSON."""
    return (out or "", "strict" * strict_imports, *patterns, *([conditions] if conditions else []))


def path_of(root: str, directory: str, words: Sequence[str]) -> str:
    """Return where the snapshot lies in the workspace `root` of a request with `words` made in `directory`.

    Raises OSError where there can be none.
    """
    origin = origin_of_state(root)
    interpreter = sys.version, sys.executable, *sys.path
    text = "\0".join([origin, str(FORMAT), __version__, *interpreter, directory, root, *words])
    name = short_hash(text.encode(errors="surrogateescape"))[:32]
    return os.path.join(root, STATE_FOLDER, "requests", f"{name}.json")


def root_of(path: str) -> str:
    """Return the workspace of a snapshot that lies at `path`: the inverse of `path_of`."""
    return path[: -len(os.path.join("", STATE_FOLDER, "requests", os.path.basename(path)))].rstrip("/") or "/"


def snapshots(directory: str, words: Sequence[str]) -> Iterator[tuple[str, Stored]]:
    """Yield path and contents of the snapshot of a request, of the innermost workspace that has one."""
    here = directory
    while True:
        try:
            path = path_of(here, directory, words)
            stored = read_stored(path)
        except OSError:
            stored = None
        if stored is not None:
            yield path, stored
            return
        parent = os.path.dirname(here)
        if parent == here:
            return
        here = parent


def read_stored(path: str) -> Stored | None:
    """Read the snapshot at `path`; None where it is not this user's, or of another form. Raises OSError."""
    # To open a pipe would wait for its other end.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        # The search for a snapshot may end in a folder that all can write to, such as /tmp.
        if status.st_uid != os.geteuid() or not S_ISREG(status.st_mode):
            return None
        data = file.read()
    try:
        stored = json.loads(data.decode(errors="surrogateescape"))
        return stored if stored["format"] == FORMAT else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def doubtful_files(stored: Stored, *, most: int = _MOST_CHANGED) -> list[str] | None:
    """List the files of a snapshot that are not as they were, as far as signatures tell.

    None for more than `most`, and where an artifact or a folder is not as it was: more than a look would
    tell. Raises what values of other types than those of snapshots lead to.
    """
    stat = os.stat
    doubtful: list[str] = []
    for kind in ("outputs", "files", "directories"):
        for path, (hash_, signature) in stored[kind].items():
            try:
                if signature is None and kind == "directories":
                    unchanged = has_listing(path, hash_)
                else:
                    unchanged = list(signature_of(stat(path))) == signature
            except (OSError, ValueError):
                return None
            if not unchanged:
                if kind != "files" or len(doubtful) == most:
                    return None
                doubtful.append(path)
    return doubtful


def has_listing(path: str, hash_: str) -> bool:
    """Whether the listing of a folder has this hash. Raises OSError and ValueError."""
    entries, _ = list_folder(path)
    return hash_ == (_ABSENT if entries is None else short_hash(listing_bytes(entries)))


def present_signature(path: str) -> FileSignature | None:
    """Return the signature of a file or folder as it is now; None where there is none."""
    try:
        return signature_of(os.stat(path))
    except (OSError, ValueError):
        return None
