"""Content digests: SHA-256 with the size, as the Remote Execution API writes them."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import ClassVar, TypeAlias

from hermpkg_build.core.canonical_json import Json, dumps
from hermpkg_build.dataclass import dataclass

Bytes: TypeAlias = bytes | bytearray | memoryview
Checksum: TypeAlias = Callable[[Bytes, int], int]
"""What computes the CRC-32 of some bytes behind others, of which it is given."""

_TEXT = "[0-9a-f]{64}/(?:0|[1-9][0-9]{0,18})"
_PARSED = re.compile(_TEXT)


@dataclass(frozen=True, slots=True, order=True)
class Digest:
    """The SHA-256 of some bytes (64 hexadecimal digits) and how many bytes they are.

    >>> digest = Digest.of(b"hello")
    >>> str(digest)
    '2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/5'
    >>> Digest.parse(str(digest)) == digest
    True
    """

    JSON_TEXT: ClassVar = "<sha256>/<size>"
    JSON_PATTERN: ClassVar = _TEXT

    hash: str
    size: int

    @classmethod
    def of(cls, data: Bytes) -> Digest:
        """The digest of `data`."""
        view = memoryview(data)
        return cls(hashlib.sha256(view).hexdigest(), view.nbytes)

    @classmethod
    def parse(cls, text: str) -> Digest:
        """The inverse of `str`: ``<64 hexadecimal digits>/<size>``. Raises ValueError."""
        if not _PARSED.fullmatch(text):
            raise ValueError(f"not a digest: {text!r}")
        return cls(text[:64], int(text[65:]))

    def __str__(self) -> str:
        return f"{self.hash}/{self.size}"

    def __hash__(self) -> int:
        # Of both fields it would take twice as long, and large builds look up digests by the million.
        return hash(self.hash)


def fingerprint(value: Json) -> Digest:
    """Return the digest of a JSON value's canonical bytes: equal values have equal fingerprints."""
    return Digest.of(dumps(value))
