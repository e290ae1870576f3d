"""Splits the text of a query into words, operators and brackets."""

from __future__ import annotations

import re
from collections.abc import Iterator

from hermpkg_build.dataclass import dataclass
from hermpkg_build.query.expressions import Span
from hermpkg_build.query.mistakes import syntax_error

KEYWORDS = {"union": "+", "except": "-", "intersect": "^", "let": "let", "in": "in", "set": "set"}
"""What cannot be a word without quotes, with the kind of its token."""

_TOKEN = re.compile(
    r"""(?P<blank>\s+)
    | (?P<quoted>"[^"]*"|'[^']*')
    | (?P<mark>[()+=^,-])
    | (?P<word>[^\s"'()+=^,*-][^\s"'()+=^,]*)""",
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token: `kind` is ``word``, ``quoted``, ``end``, a mark such as ``(``, or a keyword."""

    kind: str
    text: str
    span: Span


def tokens_of(text: str) -> Iterator[Token]:
    """Give the tokens of a query, ``end`` last. Raises CommandLineError."""
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _unreadable(text, at)
        at = match.end()
        found, kind = match[0], str(match.lastgroup)
        span = Span(match.start(), at)
        if kind == "quoted":
            yield Token(kind="quoted", text=found[1:-1], span=span)
        elif kind != "blank":
            yield Token(kind=KEYWORDS.get(found, "word") if kind == "word" else found, text=found, span=span)
    yield Token(kind="end", text="", span=Span(len(text), len(text)))


def _unreadable(text: str, at: int) -> Exception:
    if text[at] == "*":
        return syntax_error(text, Span(at, at + 1), "has a word that begins with *", "put it into quotes")
    return syntax_error(text, Span(at, at + 1), "has a quote that is not closed", "add the closing quote")
