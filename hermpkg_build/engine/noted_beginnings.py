"""Keeps what is known of how artifacts begin, so that edits of their last bytes hash and write only these.

That is how far the hash had come on the way, which proves itself: from a midstate, the rest of the artifact
has to lead to its digest. And it is the file that was the artifact before, for which its signature vouches.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.core.quick_json import loads
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import ASIDE, remove_abandoned, replace_file
from hermpkg_build.engine.noted_texts import note_path

if TYPE_CHECKING:
    from hermpkg_build.archive.first_bytes import KnownFile
    from hermpkg_build.disk.signatures import FileSignature

_ABANDONED_AFTER_S = 3600.0


def keep_beginning(root: str, label: str, known: KnownFile) -> None:
    """Note what is known of the artifact `label`. What cannot be kept costs time."""
    if known.midstates or known.spare:
        rows = [[offset, state.hex()] for offset, state in known.midstates]
        note = [known.sha256, rows, known.spare, known.signature]
        with suppress(OSError):
            replace_file(_note(root, label), json.dumps(note).encode())


def known_file(root: str, label: str, sha256: str, signature: FileSignature) -> KnownFile:
    """Return what is known of the artifact `label`, which has this digest and this signature."""
    from hermpkg_build.archive.first_bytes import KnownFile

    noted = noted_beginning(root, label)
    if noted is None or noted.sha256 != sha256:
        return KnownFile(sha256, signature)
    return noted._replace(signature=signature)


def noted_beginning(root: str, label: str) -> KnownFile | None:
    """Return what is noted of the artifact `label`, whatever is there now; None for nothing."""
    from hermpkg_build.archive.first_bytes import KnownFile
    from hermpkg_build.disk.spare_files import Spare

    with suppress(OSError, ValueError, TypeError, LookupError):
        sha256, rows, spare, signature = loads(read_limited(_note(root, label)).decode())
        midstates = [(int(offset), bytes.fromhex(known)) for offset, known in rows]
        kept = None if spare is None else Spare(_signature(spare[0]), int(spare[1]))
        return KnownFile(str(sha256), _signature(signature), midstates, kept)
    return None


def _signature(noted: Sequence[Any]) -> FileSignature:
    size, mtime, ctime, inode, device = map(int, noted)
    return size, mtime, ctime, inode, device


def same_bytes(one: KnownFile, other: KnownFile) -> int:
    """Return of how many first bytes midstates prove that two files have the same."""
    states = dict(one.midstates)
    return max((offset for offset, state in other.midstates if states.get(offset) == state), default=0)


def spare_path(root: str, label: str) -> str:
    """Return where the file lies that was the artifact `label` before, if it is kept."""
    return os.path.join(root, STATE_FOLDER, "spares", fingerprint(label).hash[:32])


def discard_spare(root: str, label: str) -> None:
    """Remove the file that was the artifact `label` before; other bytes are to come."""
    path = spare_path(root, label)
    with suppress(OSError):
        os.unlink(path)
        remove_abandoned(os.path.dirname(path), age_s=_ABANDONED_AFTER_S, prefix=ASIDE)


def _note(root: str, label: str) -> str:
    return note_path(root, label, "midstates")
