"""Action results in the form that servers of the Remote Execution API know, and check.

An entry is an ``ActionResult`` whose output files are the contents that our result names, and one file
more, `RESULT`, with the result itself as the local action cache stores it: its checksum covers our key,
so that an entry that is edited, cut short or filed under another key is none. Its name is the digest of an
``Action`` with a ``Command`` that says what was done, as that of any other client's action is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from google.protobuf.message import DecodeError

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.digest_messages import core_digest, message_digest
from hermpkg_build.remote.transport import Blob

RESULT = "result"
"""The output file that holds our result; no output of an action has this name."""

_INLINE_LIMIT = 64 << 10
"""Bytes up to which our result lies in the entry itself, which saves a request."""

_EMPTY = Digest.of(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAction:
    """An action as the shared cache knows it.

    `name` is its kind and version, `key` covers all its inputs; `subject` is for people alone.
    """

    name: str
    key: Digest
    subject: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What an entry declares: contents by name, and our result, `inlined` where it lies in the entry."""

    outputs: Mapping[str, Digest]
    result: Digest
    inlined: bytes | None


def describe(action: SharedAction) -> tuple[Digest, tuple[Blob, ...]]:
    """The digest that servers know `action` by, and the contents that it stands for."""
    command = messages.Command(arguments=["hermpkg", action.name, str(action.key)])
    command_blob = blob_of(command.SerializeToString(deterministic=True))
    described = messages.Action(
        command_digest=message_digest(command_blob.digest), input_root_digest=message_digest(_EMPTY)
    )
    action_blob = blob_of(described.SerializeToString(deterministic=True))
    return action_blob.digest, (action_blob, command_blob, blob_of(b""))


def encode_entry(outputs: Mapping[str, Digest], result: bytes) -> bytes:
    """The serialised entry of a result, itself `result`, with these outputs."""
    inlined = result if len(result) <= _INLINE_LIMIT else b""
    files = [messages.OutputFile(path=RESULT, digest=message_digest(Digest.of(result)), contents=inlined)]
    files += [
        messages.OutputFile(path=name, digest=message_digest(digest))
        for name, digest in sorted(outputs.items())
    ]
    return messages.ActionResult(output_files=files).SerializeToString(deterministic=True)


def decode_entry(data: bytes) -> Entry:
    """The inverse of `encode_entry`. Raises ValueError for what is no entry of ours."""
    try:
        decoded = messages.ActionResult.FromString(data)
        files = [(file.path, core_digest(file.digest), file.contents) for file in decoded.output_files]
    except DecodeError as error:
        raise ValueError(f"not an ActionResult: {error}") from None
    outputs = {name: digest for name, digest, _ in files}
    contents = {name: inlined for name, _, inlined in files}
    if RESULT not in outputs or len(outputs) != len(files) or decoded.exit_code != 0:
        raise ValueError("not an entry of this program")
    result = outputs.pop(RESULT)
    inlined = contents[RESULT]
    return Entry(outputs=outputs, result=result, inlined=inlined if Digest.of(inlined) == result else None)


def blob_of(data: bytes) -> Blob:
    """Bytes in hand as something to upload."""
    return Blob(digest=Digest.of(data), data=data)
