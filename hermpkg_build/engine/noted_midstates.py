"""Keeps how far the hash of an artifact had come on the way, so that edits of its last bytes hash only these.

What is noted proves itself: from a midstate, the rest of the artifact has to lead to its digest.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress

from hermpkg_build.core.quick_json import loads
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.midstates import Midstate
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.engine.noted_texts import note_path


def keep_midstates(root: str, label: str, sha256: str, midstates: Sequence[Midstate]) -> None:
    """Note midstates of the artifact `label`, which has the digest `sha256`, if there are any.

    What cannot be kept costs time.
    """
    if midstates:
        rows = [[offset, known.hex()] for offset, known in midstates]
        with suppress(OSError):
            replace_file(note_path(root, label, "midstates"), json.dumps([sha256, rows]).encode())


def noted_midstates(root: str, label: str, sha256: str) -> Sequence[Midstate]:
    """Return the midstates that are noted of the artifact `label` with the digest `sha256`."""
    with suppress(OSError, ValueError, TypeError):
        noted, rows = loads(read_limited(note_path(root, label, "midstates")).decode())
        if noted == sha256:
            return [(int(offset), bytes.fromhex(known)) for offset, known in rows]
    return ()
