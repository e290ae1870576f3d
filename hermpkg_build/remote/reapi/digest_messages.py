"""Digests as the Remote Execution API writes them, and back."""

from __future__ import annotations

from hermpkg_build.core.digest import Digest
from hermpkg_build.remote.reapi import messages


def message_digest(digest: Digest) -> messages.Digest:
    """`digest` as a message."""
    return messages.Digest(hash=digest.hash, size_bytes=digest.size)


def core_digest(message: messages.Digest) -> Digest:
    """The inverse of `message_digest`. Raises ValueError for what is no SHA-256."""
    return Digest.parse(f"{message.hash}/{message.size_bytes}")
