"""Finds names in a source by their spelling, before anything is lexed."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from typing import Final, NamedTuple

from hermpkg_build.source.tokens import NAME_BYTE

_NAME_BYTES: Final = frozenset(b for b in range(256) if re.match(NAME_BYTE, bytes([b])))
_QUOTES: Final = frozenset(b"\"'")
_FOREIGN: Final = re.compile(rb"[\w]*[\x80-\xff]" + NAME_BYTE + rb"*")
_ASCII: Final = bytes(range(0x80))


class Word(NamedTuple):
    """A place that reads like a name, in code or not; `name` is what the compiler makes of the spelling."""

    start: int
    name: str


def find_words(source: bytes, names: Collection[str]) -> list[Word]:
    """Where `names` stand in a source, in order. A word that is all of a string literal is left out."""
    spellings = [(name.encode(), name) for name in names]
    if not source.isascii():
        spellings += _foreign_spellings(source, names)
    words = []
    for spelling, name in spellings:
        start = source.find(spelling)
        while start >= 0:
            end = start + len(spelling)
            before, behind = source[start - 1], source[end]
            quoted = before in _QUOTES and behind in _QUOTES
            if not quoted and before not in _NAME_BYTES and behind not in _NAME_BYTES:
                words.append(Word(start, name))
            start = source.find(spelling, end)
    words.sort()
    return words


def _foreign_spellings(source: bytes, names: Collection[str]) -> set[tuple[bytes, str]]:
    """Spellings with characters beyond ASCII of which the compiler makes one of `names` (NFKC)."""
    characters = set(source.translate(None, _ASCII).decode("utf-8", "ignore"))
    if not any(
        letter < "\x80" and (letter == "_" or letter.isalnum())
        for character in characters
        for letter in unicodedata.normalize("NFKC", character)
    ):
        return set()
    wanted, found = set(names), set()
    for spelling in set(_FOREIGN.findall(source)):
        name = unicodedata.normalize("NFKC", spelling.decode("utf-8", "ignore"))
        if name in wanted:
            found.add((spelling, name))
    return found
