"""Keeps the notes on artifacts in step where texts of modules are renewed without a build."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress

from hermpkg_build.core.canonical_json import dumps
from hermpkg_build.core.digest import fingerprint
from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.disk.files import read_limited
from hermpkg_build.disk.replacing import replace_file


def note_path(root: str, subject: str, kind: str) -> str:
    """Return where the note of a kind on `subject` lies in the workspace `root`."""
    name = f"{fingerprint(subject).hash[:32]}-{kind}.json"
    return os.path.join(root, STATE_FOLDER, "targets", name)


def keep_texts(root: str, label: str, changes: Mapping[str, tuple[str, str]]) -> None:
    """Note that the artifact `label` has other texts, so that no later build explains itself by them.

    `changes` are the digests that files had and have, by absolute path. A note that has another form, or
    cannot be kept, stays as it is: it costs an explanation.
    """
    path = note_path(root, label, "assemble")
    with suppress(OSError):
        inputs = read_limited(path).partition(b"\n")[2]
        for file, (before, now) in changes.items():
            entry = dumps(os.path.relpath(file, root)) + b':"'
            start = inputs.find(entry) + len(entry)
            end = inputs.find(b'"', start)
            if inputs.count(entry) == 1 and inputs[start:end].endswith(b" " + before.encode()):
                inputs = inputs[: end - len(before)] + now.encode() + inputs[end:]
        replace_file(path, b"%b\n%b" % (hashlib.sha256(inputs).hexdigest().encode(), inputs))
