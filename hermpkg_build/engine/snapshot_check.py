"""The check that nothing changed since a snapshot. Builds begin with it, so that it imports next to nothing.

A snapshot vouches for artifacts, so that one which came with a checkout is not to be found: the names of
snapshots depend on the inode and the time of change of a file beside them, which nobody can choose.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from stat import S_ISREG

from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.core.quick_json import loads
from hermpkg_build.core.short_hash import short_hash
from hermpkg_build.disk.library_paths import library_paths
from hermpkg_build.disk.listings import list_folder, listing_bytes
from hermpkg_build.disk.signatures import FileSignature, signature_of
from hermpkg_build.engine.observed_table import ROW, ObservedTable
from hermpkg_build.version import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    Values: TypeAlias = dict[str, Any]

FORMAT = 7
_MOST_CHANGED = 100
"""After so many edits all is looked at again."""

_ABSENT = short_hash(listing_bytes(None))
_LARGEST = 1 << 30
"""Bytes of a snapshot, which holds a hundred for each path."""

_TABLES = ("outputs", "files", "directories")


class StoredSnapshot:
    """A snapshot as it is kept: a line of JSON with the paths and all other `values`, then rows of tables."""

    __slots__ = ("directories", "files", "outputs", "values")

    def __init__(
        self, values: Values, outputs: ObservedTable, files: ObservedTable, directories: ObservedTable
    ) -> None:
        self.values: Values = values
        self.outputs: ObservedTable = outputs
        self.files: ObservedTable = files
        self.directories: ObservedTable = directories

    @classmethod
    def from_bytes(cls, data: bytearray) -> StoredSnapshot | None:
        """Return the inverse of `to_bytes`; None for what another version kept.

        Raises ValueError, KeyError, TypeError, AttributeError and RecursionError for anything else.
        """
        start = data.index(b"\n") + 1
        values: Values = loads(data[:start].decode(errors="surrogateescape"))
        if values["format"] != FORMAT:
            return None
        tables = []
        for paths in map(values["paths"].__getitem__, _TABLES):
            "".join(paths)  # Raises TypeError where one is no text.
            tables.append(ObservedTable(paths, data[start : start + ROW * len(paths)]))
            start += ROW * len(paths)
        if start != len(data):
            raise ValueError("more than a snapshot")
        return cls(values, *tables)

    def to_bytes(self) -> bytes:
        """Return all of it."""
        tables = [self.outputs, self.files, self.directories]
        paths = {name: table.paths for name, table in zip(_TABLES, tables, strict=True)}
        import json

        line = json.dumps({**self.values, "format": FORMAT, "paths": paths})
        rows = b"".join(table.rows() for table in tables)
        return b"%b\n%b" % (line.encode(errors="surrogateescape"), rows)


def origin_file(root: str) -> str:
    """Return the path of the file that names of snapshots of the workspace `root` depend on."""
    return os.path.join(root, STATE_FOLDER, "made-here")


def _platform() -> tuple[str, str]:
    """The machine that runs the interpreter, and the C library, which is replaced where it lies."""
    machine = os.uname()
    try:
        return machine.machine, os.confstr("CS_GNU_LIBC_VERSION") or ""
    except (ValueError, OSError):
        return machine.machine, machine.release


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
    interpreter = sys.version, sys.executable, *sys.path, *library_paths().values(), *_platform()
    text = "\0".join([origin, str(FORMAT), __version__, *interpreter, directory, root, *words])
    name = short_hash(text.encode(errors="surrogateescape"))[:32]
    return os.path.join(root, STATE_FOLDER, "requests", f"{name}.snapshot")


def root_of(path: str) -> str:
    """Return the workspace of a snapshot that lies at `path`: the inverse of `path_of`."""
    return path[: -len(os.path.join("", STATE_FOLDER, "requests", os.path.basename(path)))].rstrip("/") or "/"


def snapshots(directory: str, words: Sequence[str]) -> Iterator[tuple[str, StoredSnapshot]]:
    """Yield path and contents of the snapshot of a request, of the innermost workspace that has one."""
    here = directory
    while True:
        try:
            path = path_of(here, directory, words)
            stored = read_stored(path)
        except OSError:
            stored = None
        if stored is not None:
            if _is_of_this_processor(stored):
                yield path, stored
            return
        parent = os.path.dirname(here)
        if parent == here:
            return
        here = parent


def _is_of_this_processor(stored: StoredSnapshot) -> bool:
    """Whether all that was computed with all of a processor was computed with this one, or nothing was.

    A virtual machine can begin again on another, and machines can share a folder.
    """
    processor = stored.values.get("processor")
    if not processor:
        return True
    from hermpkg_build.factories.processor import describe_platform

    return bool(processor == describe_platform(native=True))


def read_stored(path: str) -> StoredSnapshot | None:
    """Read the snapshot at `path`; None where it is not this user's, or of another form. Raises OSError."""
    # To open a pipe would wait for its other end.
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:
        status = os.fstat(file.fileno())
        # The search for a snapshot may end in a folder that all can write to, such as /tmp.
        if status.st_uid != os.geteuid() or not S_ISREG(status.st_mode) or status.st_size > _LARGEST:
            return None
        data = bytearray(status.st_size)
        if file.readinto(data) != len(data):
            return None
    try:
        return StoredSnapshot.from_bytes(data)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def doubtful_files(stored: StoredSnapshot, *, most: int = _MOST_CHANGED) -> list[str] | None:
    """List the files of a snapshot that are not as they were, as far as signatures tell.

    None for more than `most`, and where an artifact or a folder is not as it was: more than a look would
    tell.
    """
    if stored.outputs.changed():
        return None
    doubtful = stored.files.changed()
    return doubtful if len(doubtful) <= most and have_same_listings(stored.directories) else None


def have_same_listings(directories: ObservedTable) -> bool:
    """Whether folders list what they did, by their signatures where they have some."""
    for path in directories.changed():
        hash_, signature = directories[path]
        try:
            if signature is not None or not has_listing(path, hash_):
                return False
        except (OSError, ValueError):
            return False
    return True


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
