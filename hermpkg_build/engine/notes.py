"""Notes on the last build of each target: the inputs of its actions, to explain; its artifact, to trust."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from hermpkg_build.core.canonical_json import loads
from hermpkg_build.core.digest import Digest
from hermpkg_build.core.json_codec import from_json, to_json
from hermpkg_build.core.relayed import Relayed, relayed
from hermpkg_build.dataclass import dataclass
from hermpkg_build.disk.files import open_regular, read_limited
from hermpkg_build.disk.replacing import replace_file
from hermpkg_build.disk.signatures import FileSignature
from hermpkg_build.disk.unchanged_files import hash_file
from hermpkg_build.engine.noted_texts import note_path
from hermpkg_build.engine.snapshot_check import present_signature
from hermpkg_build.errors import ActionError

if TYPE_CHECKING:
    from hermpkg_build.core.label import Label
    from hermpkg_build.engine.action import Action
    from hermpkg_build.engine.journal import Journal


_ARTIFACT = "artifact"
"""The kind of the notes on artifacts, which no action has."""
_ROOTS = "roots"
"""The kind of the notes on what factories import."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactNote:
    """A file that a build put in place: its digest, and its stat signature."""

    path: str
    digest: Digest
    signature: FileSignature | None


class NoteBook(Relayed):
    """The notes of one workspace, for any number of threads.

    A lost or damaged note costs an explanation, never a byte; one that cannot be kept is a warning. The
    inputs of an action, which can be thousands, begin with its key: they are read only to explain, and
    written only where they are others.
    """

    def __init__(self, workspace_root: str, journal: Journal) -> None:
        self._root = workspace_root
        self._journal = journal
        self._signatures: dict[str, tuple[str, FileSignature | None]] = {}

    def inputs_before(self, action: Action) -> Mapping[str, str] | None:
        """Return the inputs that `action` had in the last build; None where there was none."""
        return self._inputs(action.subject, action.kind)

    def inputs_of(self, subject: str, kind: str) -> Mapping[str, str]:
        """Return the inputs of the last action of a kind for `subject`; empty where none is noted."""
        return self._inputs(subject, kind) or {}

    def keep_inputs(self, action: Action) -> None:
        """Note the inputs of `action`."""
        path = self._path(action.subject, action.kind)
        key = action.key.hash.encode()
        try:
            with open(open_regular(path)[0], "rb") as file:
                if file.read(len(key)) == key:
                    return
        except OSError:
            pass
        self._write(path, key + b"\n" + action.to_bytes())

    def roots_of(self, subject: str) -> tuple[str, ...] | None:
        """Return what the factory of a model imported last; None where none is noted."""
        try:
            noted = loads(read_limited(self._path(subject, _ROOTS)).decode(errors="surrogateescape"))
            return tuple(str(name) for name in noted) if isinstance(noted, list) else None
        except (OSError, ValueError):
            return None

    def keep_roots(self, subject: str, roots: Sequence[str]) -> None:
        """Note what the factory of a model imported."""
        self._write(self._path(subject, _ROOTS), json.dumps(list(roots)).encode(errors="surrogateescape"))

    def keep_artifact(self, label: Label, path: str, digest: Digest, signature: FileSignature | None) -> None:
        """Note that the artifact of a target is at `path`, with the `signature` that vouches for it there."""
        self._vouch(path, digest.hash, signature)
        note = ArtifactNote(path=path, digest=digest, signature=signature)
        text = json.dumps(to_json(note)).encode(errors="surrogateescape")
        self._write(self._path(str(label), _ARTIFACT), text)

    def signature_of(self, path: str, sha256: str) -> FileSignature | None:
        """The signature that vouches for an artifact that this build has put at `path`, or found there."""
        found, signature = self._signatures.get(path, ("", None))
        return signature if found == sha256 else None

    def is_in_place(self, label: Label, path: str, digest: Digest) -> bool:
        """Whether a target's artifact is at `path`: by its signature where noted, else by reading."""
        note = self._artifact(label)
        signature = present_signature(path)
        if signature is None:
            return False
        if note is not None and (note.path, note.signature) == (path, signature):
            self._vouch(path, note.digest.hash, signature)
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

    @relayed
    def _vouch(self, path: str, sha256: str, signature: FileSignature | None) -> None:
        self._signatures[path] = sha256, signature

    def _write(self, path: str, data: bytes) -> None:
        try:
            replace_file(path, data)
        except OSError as error:
            self._journal.notes_not_kept(error)

    def _path(self, subject: str, kind: str) -> str:
        return note_path(self._root, subject, kind)

    def _inputs(self, subject: str, kind: str) -> Mapping[str, str] | None:
        try:
            data = read_limited(self._path(subject, kind)).partition(b"\n")[2]
            noted = loads(data.decode(errors="surrogateescape"))
        except (OSError, ValueError):
            return None
        inputs = noted[-1] if isinstance(noted, list) and noted else None
        if not isinstance(inputs, dict) or not all(isinstance(text, str) for text in inputs.values()):
            return None
        return inputs

    def _artifact(self, label: Label) -> ArtifactNote | None:
        try:
            data = read_limited(self._path(str(label), _ARTIFACT))
            return from_json(ArtifactNote, loads(data.decode(errors="surrogateescape")))
        except (OSError, ValueError):
            return None
