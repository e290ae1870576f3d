"""Files that keep what queries found out, with all that they looked at."""

from __future__ import annotations

import hashlib
import json
import os
import struct
import sys
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO, TypeAlias

from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.dataclass import dataclass
from hermpkg_build.engine.queries.watched import Watched
from hermpkg_build.engine.snapshot_check import origin_of_state
from hermpkg_build.version import __version__

_FORMAT = 4
_DIGEST = 32
_SIZE = struct.Struct("<I")

Sections: TypeAlias = Mapping[str, "bytes | memoryview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What an open file keeps, and what that was made of. `digest` tells the file from all others."""

    watched: Watched
    digest: str
    file: BinaryIO
    start: int
    sizes: Mapping[str, int]
    rest: str

    def read(self) -> Sections | None:
        """Return what is kept, which few questions need; None where it is damaged."""
        try:
            self.file.seek(self.start)
            data = memoryview(self.file.read())
        except OSError:
            return None
        if hashlib.sha256(data).hexdigest() != self.rest:
            return None
        return _parted(data, self.sizes)


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


def save(path: str, watched: Watched, sections: Sections) -> None:
    """Keep `sections` at `path`, with what was watched. Raises OSError."""
    from hermpkg_build.disk.replacing import replace_file

    looked_at, rest = watched.encode(), b"".join(sections.values())
    described = {
        "format": _FORMAT,
        "watched": {name: len(data) for name, data in looked_at.items()},
        "sections": {name: len(data) for name, data in sections.items()},
        "rest": hashlib.sha256(rest).hexdigest(),
    }
    header = json.dumps(described).encode()
    head = b"".join([_SIZE.pack(len(header)), header, *looked_at.values()])
    replace_file(path, b"".join([hashlib.sha256(head).digest(), head, rest]))


def load(path: str) -> Kept | None:
    """Return what was kept at `path` by this user, if it is there and undamaged.

    Whether it holds is for `Kept.watched` to say; what is kept is read only when it is asked for. Its file
    is to be closed.
    """
    try:
        file = open(path, "rb", buffering=0)  # noqa: SIM115 - it is closed by whoever is given it.
    except OSError:
        return None
    try:
        return _opened(file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
        file.close()
        return None


def _opened(file: BinaryIO) -> Kept:
    """Return what an open file keeps. Raises what reading bytes of any form raises."""
    status = os.fstat(file.fileno())
    digest, packed = file.read(_DIGEST), file.read(_SIZE.size)
    header = file.read(min(_SIZE.unpack(packed)[0], status.st_size))
    described: dict[str, Any] = json.loads(header)
    data = file.read(min(sum(described["watched"].values()), status.st_size))
    is_own = status.st_uid == os.geteuid()
    whole = hashlib.sha256(b"".join([packed, header, data])).digest() == digest
    if not is_own or not whole or described["format"] != _FORMAT:
        raise ValueError("it was not kept by this user and version, or not as it is now")
    return Kept(
        watched=Watched.decode(_parted(memoryview(data), described["watched"])),
        digest=digest.hex(),
        file=file,
        start=file.tell(),
        sizes=described["sections"],
        rest=described["rest"],
    )


def _parted(data: memoryview, sizes: Mapping[str, int]) -> dict[str, memoryview]:
    sections: dict[str, memoryview] = {}
    at = 0
    for name, size in sizes.items():
        sections[name] = data[at : at + size]
        at += size
    return sections
