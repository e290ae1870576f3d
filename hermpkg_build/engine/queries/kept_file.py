"""Files that keep what queries found out, with all that they looked at."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.engine.queries.watched import Watched
from hermpkg_build.engine.snapshot import origin_of_state
from hermpkg_build.version import __version__

_FORMAT = 2
_DIGEST = 32

Sections: TypeAlias = Mapping[str, "bytes | memoryview"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What a file keeps, and what that was made of. `digest` is that of the file."""

    watched: Watched
    sections: Sections
    digest: str


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

    content = {**sections, **watched.encode()}
    sizes = {name: len(data) for name, data in content.items()}
    header = json.dumps({"format": _FORMAT, "sections": sizes})
    body = b"".join([header.encode(), b"\n", *content.values()])
    replace_file(path, hashlib.sha256(body).digest() + body)


def load(path: str) -> Kept | None:
    """Return what was kept at `path` by this user, if it is there and undamaged.

    Whether it holds is for `Kept.watched` to say.
    """
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_uid != os.geteuid():
                return None
            data = memoryview(file.read())
        digest, body = bytes(data[:_DIGEST]), data[_DIGEST:]
        if hashlib.sha256(body).digest() != digest:
            return None
        end = bytes(body[: 1 << 16]).index(b"\n")
        described: dict[str, Any] = json.loads(bytes(body[:end]))
        if described["format"] != _FORMAT:
            return None
        sections: dict[str, bytes | memoryview] = {}
        at = end + 1
        for name, size in described["sections"].items():
            sections[name] = body[at : at + size]
            at += size
        return Kept(watched=Watched.decode(sections), sections=sections, digest=digest.hex())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
