"""From a source file's bytes to UTF-8 with plain newlines, the one form that the lexer reads (PEP 263)."""

from __future__ import annotations

import re
from typing import Final

_BOM: Final = b"\xef\xbb\xbf"
_COOKIE: Final = re.compile(rb"[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_UTF_8: Final = re.compile(r"utf[-_]?8(?:[-_].*)?", re.IGNORECASE)
_BLANK: Final = re.compile(rb"[ \t\f]*(?:#.*)?$")


class SourceError(Exception):
    """The fault of a source; `offset` is a place in the normal form, or -1 where there is none yet."""

    def __init__(self, message: str, offset: int = -1) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset


def normal_form(data: bytes) -> bytes:
    r"""The source as UTF-8 without byte order mark, newlines as ``\n``, one before and one behind it.

    The newline in front gives every line the same left edge. Offsets, less one, are those that the
    interpreter counts. Bytes that are not UTF-8 are left where the source declares no encoding: the
    interpreter minds them in strings and names only, see `tokens.check_encoding`.
    Raises SourceError for an unknown encoding, bytes that are not of it, and null bytes.
    """
    if b"\0" in data:
        raise SourceError("source code cannot contain null bytes")
    marked = data.startswith(_BOM)
    if marked:
        data = data[len(_BOM) :]
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    encoding = declared_encoding(data)
    if encoding and not _UTF_8.fullmatch(encoding):
        if marked:
            raise SourceError(f"encoding problem: {encoding} with a byte order mark")
        data = _to_utf8(data, encoding)
    return b"\n" + data + b"\n"


def declared_encoding(data: bytes) -> str:
    r"""The encoding that a comment in the first two lines declares, "" for none. Lines end with ``\n``."""
    first_end = data.find(b"\n")
    second_end = data.find(b"\n", first_end + 1) if first_end >= 0 else -1
    head = data[:second_end] if second_end >= 0 else data
    if b"coding" not in head:
        return ""
    first, _, second = head.partition(b"\n")
    cookie = _COOKIE.match(first) or (_COOKIE.match(second) if _BLANK.match(first) else None)
    return cookie[1].decode("ascii") if cookie else ""


def _to_utf8(data: bytes, encoding: str) -> bytes:
    try:
        return data.decode(encoding).encode()
    except LookupError:
        raise SourceError(f"unknown encoding: {encoding}") from None
    except ValueError as error:
        raise SourceError(f"not {encoding}: {error}") from None
