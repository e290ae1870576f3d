"""Changes texts by their words: doubles, moves, drops and inserts them, and nests brackets deeply."""

from __future__ import annotations

import random
import re

from mutation.octets import other_bytes
from mutation.words import LINES

_WORD = re.compile(r"\w+|\s+|.", re.DOTALL)
_WORDS = (
    *("(", ")", "[", "]", "{", "}", '"', "'", '"""', "\\", "#", "\n", "\t", "    ", ",", ":", "=", ".", "*"),
    *("**", "-", "//", "@", "...", "..", "\0", "\x1b[31m", "\u202e", "\x85", "\u2028", "é", "\ufeff", "%s"),
    *("0", "1e999", "-1", "9" * 5_000, "0x", "inf", "nan", "true", "None", "in", "for", "def", "load", "if"),
    *("x" * 70_000, "a." * 3_000, "[" * 300, "(" * 3_000, "{" * 100_000, "-" * 3_000, "a\n" * 2_000),
)


def other_text(data: bytes, choose: random.Random) -> bytes:
    """Return the text `data` changed; now and then its bytes are changed instead."""
    if choose.random() < 0.15:
        return other_bytes(data, choose)
    words = _WORD.findall(data.decode("utf-8", "surrogateescape"))
    for _ in range(choose.choice((1, 1, 1, 2, 4))):
        place = choose.randrange(len(words) + 1)
        other = choose.randrange(len(words) + 1)
        match choose.randrange(7):
            case 0:
                del words[place : place + choose.choice((1, 1, 3, 10))]
            case 1:
                words[place:place] = words[other : other + choose.choice((1, 1, 3, 20))]
            case 2 if place < len(words) and other < len(words):
                words[place], words[other] = words[other], words[place]
            case 3:
                words[place:place] = words[other : other + 5] * choose.choice((10, 100, 1_000))
            case 4:
                words.insert(place, choose.choice(LINES).decode("utf-8", "surrogateescape"))
            case 5 if place < len(words):
                words[place] = choose.choice(_WORDS)
            case _:
                words.insert(place, choose.choice(_WORDS))
    return "".join(words).encode("utf-8", "surrogatepass")
