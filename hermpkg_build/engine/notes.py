"""Notes on the last build of each target: the inputs of its actions, to explain; its artifact, to trust."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.digest import Digest, fingerprint
from hermpkg_build.core.folders import STATE_FOLDER
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.disk.files import hash_file, read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.disk.signatures import FileSignature
from hermpkg_build.engine.snapshot import present_signature
from hermpkg_build.errors import ActionError

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.engine.action import Action
    from hermpkg_build.engine.journal import Journal


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactNote:
    """A file that a build put in place: its digest, and its stat signature."""

    path: str
    digest: Digest
    signature: FileSignature | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetNotes:
    """The inputs of a target's actions in the last build, by kind of action, and its artifact."""

    inputs: Mapping[str, Mapping[str, str]]
    artifact: ArtifactNote | None = None


class NoteBook:
    """The notes of one workspace, for any number of threads.

    A lost or damaged note costs an explanation, never a byte; one that cannot be kept is a warning.
    """

    def __init__(self, workspace_root: str, journal: Journal) -> None:
        self._folder = os.path.join(workspace_root, STATE_FOLDER, "targets")
        self._journal = journal
        self._lock = threading.Lock()

    def inputs_before(self, action: Action) -> Mapping[str, str] | None:
        """Return the inputs that `action` had in the last build; None where there was none."""
        return self._load(action.subject).inputs.get(action.kind)

    def inputs_of(self, subject: str, kind: str) -> Mapping[str, str]:
        """Return the inputs of the last action of a kind for `subject`; empty where none is noted."""
        return self._load(subject).inputs.get(kind, {})

    def keep_inputs(self, action: Action) -> None:
        """Note the inputs of `action`."""
        self._update(action.subject, lambda notes: {"inputs": {**notes.inputs, action.kind: action.inputs}})

    def keep_artifact(
        self, label: Label, path: str, digest: Digest, signature: FileSignature | None = None
    ) -> None:
        """Note that the artifact of a target is at `path`, with its signature, by default the present one."""
        note = ArtifactNote(path=path, digest=digest, signature=signature or present_signature(path))
        self._update(str(label), lambda _: {"artifact": note})

    def _update(self, subject: str, changes: Callable[[TargetNotes], Mapping[str, Any]]) -> None:
        with self._lock:
            notes = self._load(subject)
            try:
                text = json.dumps(to_json(replace(notes, **changes(notes))))
                replace_file(self._path(subject), text.encode(errors="surrogateescape"))
            except OSError as error:
                self._journal.notes_not_kept(error)

    def is_in_place(self, label: Label, path: str, digest: Digest) -> bool:
        """Whether a target's artifact is at `path`: by its signature where noted, else by reading."""
        note = self._load(str(label)).artifact
        signature = present_signature(path)
        if signature is None:
            return False
        if note is not None and (note.path, note.signature) == (path, signature):
            return note.digest == digest
        if signature[0] != digest.size:
            return False
        try:
            found, signature = hash_file(path)
        except (OSError, ActionError):  # it cannot be read, or is being written
            return False
        if found == digest:
            self.keep_artifact(label, path, digest, signature)
        return found == digest

    def _path(self, subject: str) -> str:
        return os.path.join(self._folder, f"{fingerprint(subject).hash[:32]}.json")

    def _load(self, subject: str) -> TargetNotes:
        try:
            data = read_limited(self._path(subject))
            return from_json(TargetNotes, loads(data.decode(errors="surrogateescape")))
        except (OSError, ValueError):
            return TargetNotes(inputs={})
