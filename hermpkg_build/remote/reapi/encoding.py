"""Digests and messages in the form that the Remote Execution API gives them."""

from __future__ import annotations

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.reapi import messages
from hermpkg_build.remote.transport import Blob


def message_digest(digest: Digest) -> messages.Digest:
    """`digest` as a message."""
    return messages.Digest(hash=digest.hash, size_bytes=digest.size)


def core_digest(message: messages.Digest) -> Digest:
    """The inverse of `message_digest`. Raises ValueError for what is not a SHA-256."""
    return Digest.parse(f"{message.hash}/{message.size_bytes}")


def encoded(message: messages.Message) -> bytes:
    """The bytes of a message, always the same for one value."""
    return message.SerializeToString(deterministic=True)


def message_blob(message: messages.Message) -> Blob:
    """A message as something to upload, by the digest that a server knows it by."""
    return Blob.of(encoded(message))
