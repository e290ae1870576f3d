"""Files that keep what queries found out, with all that they looked at: by that the next sees if it holds."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.disk.signatures import FileSignature
from hermpkg_build.engine.snapshot import origin_of_state
from hermpkg_build.version import __version__

if TYPE_CHECKING:
    from hermpkg_build.disk.source_tree import SourceTree

_FORMAT = 1
_ABSENT = 1
"""Stands for the signature of a folder that is not there; 0 stands for none that can be trusted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """Files and folders that were looked at: signatures, and hashes of those that signatures leave in doubt.

    A signature is kept as its hash, which has 64 bits and is the same in every process of one interpreter.
    """

    files: Mapping[str, int]
    folders: Mapping[str, int]
    doubtful: Mapping[str, str]

    @classmethod
    def of(cls, tree: SourceTree) -> Watched:
        """Return all that `tree` was asked for."""
        signatures = tree.observed_signatures()
        files, folders = tree.observed_files(), tree.observed_directories()
        doubtful: dict[str, str] = {}

        def mark(path: str, digest: str) -> int:
            known = signatures.get(path)
            if known is not None:
                return _mark_of(known)
            if path in folders and not os.path.lexists(path):
                return _ABSENT
            doubtful[path] = digest
            return 0

        return cls(
            files={path: mark(path, digest.hash) for path, digest in files.items()},
            folders={path: mark(path, digest.hash) for path, digest in folders.items()},
            doubtful=doubtful,
        )

    def with_those_of(self, other: Watched) -> Watched:
        """Return what both have looked at; where they differ, what `other` saw."""
        return Watched(
            files={**self.files, **other.files},
            folders={**self.folders, **other.folders},
            doubtful={**self.doubtful, **other.doubtful},
        )

    def holds(self) -> bool:
        """Whether all is as it was: by signatures, and by reading what these leave in doubt."""
        doubtful = [*_differing(self.folders), *_differing(self.files)]
        return not doubtful or (
            all(path in self.doubtful for path in doubtful) and self._hold_again(doubtful)
        )

    def _hold_again(self, paths: Sequence[str]) -> bool:
        from hermpkg_build.disk.source_tree import SourceTree, listing_digest
        from hermpkg_build.errors import HermpkgError

        tree = SourceTree()
        try:
            return all(
                (listing_digest(tree.entries(path)) if path in self.folders else tree.digest(path)).hash
                == self.doubtful[path]
                for path in paths
            )
        except (OSError, HermpkgError):
            return False


def _mark_of(signature: FileSignature) -> int:
    return hash(signature)


def _differing(marks: Mapping[str, int]) -> list[str]:
    """List the paths whose signatures are not those of `marks`, or were never to be trusted."""
    stat, found = os.stat, []
    for path, mark in marks.items():  # Of a hundred thousand, so that nothing is called that need not be.
        try:
            now = stat(path)
            here = hash((now.st_size, now.st_mtime_ns, now.st_ctime_ns, now.st_ino, now.st_dev))
        except (FileNotFoundError, NotADirectoryError):
            here = _ABSENT
        except (OSError, ValueError):
            here = 0
        if here != mark or not mark:
            found.append(path)
    return found


def kept_path(root: str, what: str, words: Sequence[str]) -> str:
    """Return where `what` is kept for the workspace `root`; `words` are all else that it depends on.

    Raises OSError where nothing can be kept.
    """
    parts = [
        origin_of_state(root),
        str(_FORMAT),
        __version__,
        sys.version,
        sys.executable,
        *sys.path,
        root,
        *words,
    ]
    name = hashlib.sha256("\0".join(parts).encode(errors="surrogateescape")).hexdigest()[:32]
    return os.path.join(root, STATE_FOLDER, "queries", f"{what}-{name}")


def save(path: str, watched: Watched, sections: Mapping[str, bytes]) -> None:
    """Keep `sections` at `path`, valid while what was watched stays. Raises OSError."""
    from hermpkg_build.disk.replacing import replace_file

    own = {
        "files": _joined(watched.files),
        "folders": _joined(watched.folders),
        "marks": array("q", [*watched.files.values(), *watched.folders.values()]).tobytes(),
        "doubtful": json.dumps(watched.doubtful).encode(),
    }
    content = {**own, **sections}
    header = json.dumps({"format": _FORMAT, "sections": {name: len(data) for name, data in content.items()}})
    body = b"".join([header.encode(), b"\n", *content.values()])
    replace_file(path, hashlib.sha256(body).digest() + body)


def load(path: str) -> tuple[Watched, dict[str, bytes]] | None:
    """Return what was kept at `path` by this user, if it is there, undamaged, and still holds."""
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            data = file.read()
        digest, body = data[:32], data[32:]
        if hashlib.sha256(body).digest() != digest:
            return None
        header, _, rest = body.partition(b"\n")
        described: dict[str, Any] = json.loads(header)
        if described["format"] != _FORMAT:
            return None
        sections: dict[str, bytes] = {}
        at = 0
        for name, size in described["sections"].items():
            sections[name] = rest[at : at + size]
            at += size
        watched = _watched(sections)
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return (watched, sections) if watched.holds() else None


def _watched(sections: Mapping[str, bytes]) -> Watched:
    files, folders = split(sections["files"]), split(sections["folders"])
    marks = numbers("q", sections["marks"])
    return Watched(
        files=dict(zip(files, marks[: len(files)], strict=True)),
        folders=dict(zip(folders, marks[len(files) :], strict=True)),
        doubtful=json.loads(sections["doubtful"]),
    )


def _joined(paths: Mapping[str, int]) -> bytes:
    return "\0".join(paths).encode(errors="surrogateescape")


def split(data: bytes) -> list[str]:
    """Return the texts that NUL characters part; none where there is nothing."""
    return data.decode(errors="surrogateescape").split("\0") if data else []


def numbers(code: str, data: bytes) -> list[int]:
    """Return the numbers of an array. Raises ValueError."""
    found = array(code)
    found.frombytes(data)
    return found.tolist()
