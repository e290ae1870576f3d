"""Action results in the form that servers of the Remote Execution API know and check.

An entry is an ``ActionResult`` whose output files are the contents that our result names, and one file
more, `RESULT`, with the result itself as the local action cache stores it: its checksum covers our key,
so that an entry that is edited, cut short or filed under another key is not used. Its name is the digest of
an ``Action`` with a ``Command`` that says what was done, as that of any other client's action is.
"""

from __future__ import annotations

from collections.abc import Mapping

from google.protobuf.message import DecodeError

from hermpkg_build.core.digest import Digest
from hermpkg_build.dataclass import dataclass, field
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.reapi.encoding import core_digest, encoded, message_blob, message_digest
from hermpkg_build.remote.transport import EMPTY, Blob

RESULT = "result"
"""The output file that holds our result; no output of an action has this name."""

INLINE_LIMIT = 64 << 10
"""Bytes up to which our result, and each content, lie in the entry itself, which saves requests."""

_ALL_INLINE_LIMIT = 512 << 10
"""Bytes of all contents together that lie in an entry; servers take messages of 4 MiB."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedAction:
    """An action as the shared cache knows it.

    `name` is its kind and version, `key` covers all its inputs; `subject` is for messages only.
    """

    name: str
    key: Digest
    subject: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An entry: the contents it declares by name, and our result, `inlined` where it lies in the entry.

    `contents` are those that do, too, compared with their digests.
    """

    outputs: Mapping[str, Digest]
    result: Digest
    inlined: bytes | None
    contents: Mapping[Digest, bytes] = field(default_factory=dict)


def describe(action: SharedAction) -> tuple[Digest, tuple[Blob, ...]]:
    """The digest that servers know `action` by, and the blobs that describe it."""
    command = message_blob(messages.Command(arguments=["hermpkg", action.name, str(action.key)]))
    described = message_blob(
        messages.Action(
            command_digest=message_digest(command.digest), input_root_digest=message_digest(EMPTY)
        )
    )
    return described.digest, (described, command, Blob.of(b""))


def encode_entry(
    outputs: Mapping[str, Digest], result: bytes, contents: Mapping[Digest, bytes] | None = None
) -> bytes:
    """The serialised entry of a result, itself `result`, with these outputs.

    Of their `contents` the smallest lie in it; servers that leave them out still have them by their digests.
    """
    inlined = result if len(result) <= INLINE_LIMIT else b""
    files = [messages.OutputFile(path=RESULT, digest=message_digest(Digest.of(result)), contents=inlined)]
    small = _smallest(contents or {})
    files += [
        messages.OutputFile(path=name, digest=message_digest(digest), contents=small.get(digest, b""))
        for name, digest in sorted(outputs.items())
    ]
    return encoded(messages.ActionResult(output_files=files))


def decode_entry(data: bytes) -> Entry:
    """The inverse of `encode_entry`. Raises ValueError for anything else."""
    try:
        decoded = messages.ActionResult.FromString(data)
        files = [(file.path, core_digest(file.digest), file.contents) for file in decoded.output_files]
    except DecodeError as error:
        raise ValueError(f"not an ActionResult: {error}") from None
    outputs = {name: digest for name, digest, _ in files}
    contents = {name: inlined for name, _, inlined in files}
    if RESULT not in outputs or len(outputs) != len(files) or decoded.exit_code != 0:
        raise ValueError("not an entry of hermpkg")
    result = outputs.pop(RESULT)
    inlined = contents.pop(RESULT)
    found = {outputs[name]: data for name, data in contents.items() if len(data) == outputs[name].size}
    return Entry(
        outputs=outputs,
        result=result,
        inlined=inlined if Digest.of(inlined) == result else None,
        contents={digest: data for digest, data in found.items() if Digest.of(data) == digest},
    )


def _smallest(contents: Mapping[Digest, bytes]) -> Mapping[Digest, bytes]:
    """As many contents as an entry has room for."""
    chosen: dict[Digest, bytes] = {}
    room = _ALL_INLINE_LIMIT
    for digest, data in sorted(contents.items(), key=lambda item: (item[0].size, item[0].hash)):
        room -= digest.size
        if digest.size > INLINE_LIMIT or room < 0:
            break
        chosen[digest] = data
    return chosen
