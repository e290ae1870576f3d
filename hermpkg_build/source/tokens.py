"""An exact lexer for single logical lines of Python, old and new f-strings included.

It reads sources in the normal form of `normal_form` and assumes that they are valid. What differs
between Python versions is read by the newest rules, of which the older are a part: a string literal of
3.11 ends at the same place by the rules of PEP 701.
"""

from __future__ import annotations

import enum
import re
from typing import Final, NamedTuple

from hermpkg_build.source.normal_form import SourceError

NAME_BYTE: Final = rb"[\w\x80-\xff]"
"""What an identifier is made of; in code, every byte beyond ASCII belongs to one."""

_MAX_DEPTH: Final = 200
"""CPython's limit of nested brackets (MAXLEVEL)."""

_MAX_FORMATTED: Final = 150
"""CPython's limit of nested f-strings (MAXFSTRINGLEVEL)."""


class Kind(enum.IntEnum):
    """What a token is."""

    NAME = 0
    NUMBER = 1
    STRING = 2
    """A whole string literal without replacement fields."""
    FORMATTED = 3
    """The prefix and quotes of a literal with replacement fields; its fields follow as tokens, in braces."""
    OPERATOR = 4


class Token(NamedTuple):
    """A token with its offsets; `text` is its source bytes."""

    kind: Kind
    text: bytes
    start: int
    end: int


class Line(NamedTuple):
    """A logical line: where it begins, its tokens (never none), where the next one begins."""

    begin: int
    tokens: list[Token]
    end: int


_TOKEN: Final = re.compile(
    rb"(?:[ \t\f]|\\\n)*(?:"
    rb"(?P<string>(?i:[rbu]|[rb][rb]|[ft]r?|r[ft])?(?=[\"']))"
    rb"|(?P<number>0[xX][\da-fA-F_]+|0[bBoO][\d_]+|\.?\d[\d_]*(?:\.[\d_]*)?(?:[eE][+-]?\d[\d_]*)?[jJ]?)"
    rb"|(?P<name>" + NAME_BYTE + rb"+)"
    rb"|(?P<comment>\#[^\n]*)"
    rb"|(?P<operator>:=|->|\.\.\.|(?:\*\*|//|<<|>>|[-+*/%@&|^=!<>])=?|[^\n])"
    rb"|(?P<newline>\n)"
    rb")"
)
_SKIM: Final = re.compile(rb"[()\[\]{}]|\#[^\n]*|[\"']|\\\n|\n")
_STRING_OR_COMMENT: Final = re.compile(rb"\#[^\n]*|[\"']")
_BLANK_LINES: Final = re.compile(rb"(?:[ \t\f]*(?:\#[^\n]*)?\n)*")
_SINGLE: Final = {
    b'"': re.compile(rb'"[^"\\\n]*(?:\\.[^"\\\n]*)*"', re.DOTALL),
    b"'": re.compile(rb"'[^'\\\n]*(?:\\.[^'\\\n]*)*'", re.DOTALL),
}
_FIELD_PREFIX: Final = re.compile(rb"(?:\A|[^\w\x80-\xff])([rR]?[fFtT]|[fFtT][rR])\Z")
_LITERAL_STOP: Final = {
    quote: re.compile(rb"\\N\{|\\[^{}]|\\|\{\{?|\n|" + quote, re.DOTALL)
    for quote in (b'"', b"'", b'"""', b"'''")
}
_RAW_STOP: Final = {
    quote: re.compile(rb"\\[^{}]|\\|\{\{?|\n|" + quote, re.DOTALL) for quote in (b'"', b"'", b'"""', b"'''")
}
_SPECIFIER_STOP: Final = re.compile(rb"\\N\{[^}]*\}|[{}]")
_CONVERSION: Final = re.compile(rb"![ \t\f\n]*\w+[ \t\f\n]*")
_OPENING: Final = b"([{"
_CLOSING: Final = b")]}"


def logical_line(source: bytes, begin: int) -> Line | None:
    """The first logical line with a token at or behind `begin`, which begins a line; None at the end."""
    begin = skip_blank_lines(source, begin)
    if begin >= len(source):
        return None
    tokens: list[Token] = []
    end = _lex(source, begin, tokens, in_field=False, nesting=0)
    return Line(begin, tokens, end) if tokens else None


def skip_line(source: bytes, begin: int) -> int:
    """Where the logical line that begins at `begin` ends: the offset behind its newline."""
    depth, place = 0, begin
    while True:
        match = _SKIM.search(source, place)
        if not match:
            raise SourceError("a bracket was never closed" if depth else "unexpected end of file", begin)
        place = match.end()
        found = match[0]
        if found == b"\n":
            if not depth:
                return place
        elif found in b"([{":
            depth += 1
        elif found in b")]}":
            depth -= 1
        elif found in b"\"'":
            place = string_end(source, match.start())


def skip_blank_lines(source: bytes, begin: int) -> int:
    """The start of the first line at or behind `begin` that is more than blanks and a comment."""
    match = _BLANK_LINES.match(source, begin)
    assert match
    return match.end()


def string_end(source: bytes, quote: int) -> int:
    """Where the string literal whose opening quote stands at `quote` ends."""
    if source[quote - 1] in b"fFtTrR":
        prefix = _FIELD_PREFIX.search(source[max(quote - 3, 0) : quote])
        if prefix:
            return _literal(source, quote - len(prefix[1]), prefix[1], None, 0)
    return _plain_end(source, quote)


def next_string(source: bytes, begin: int) -> int | None:
    """The opening quote of the first string literal of the code at `begin`; None where none comes."""
    while True:
        match = _STRING_OR_COMMENT.search(source, begin)
        if not match:
            return None
        if match[0] in b"\"'":
            return match.start()
        begin = match.end()


def check_encoding(source: bytes) -> None:
    """Raise SourceError where bytes outside comments are not UTF-8."""
    checked, place = 0, 0
    while True:
        try:
            source[checked:].decode()
        except UnicodeDecodeError as error:
            wrong, reason = checked + error.start, error.reason
        else:
            return
        while True:
            match = _STRING_OR_COMMENT.search(source, place)
            if not match or match.start() > wrong:
                raise SourceError(f"not utf-8: {reason}", wrong)
            in_comment = match[0] not in b"\"'"
            place = match.end() if in_comment else string_end(source, match.start())
            if wrong < place:
                break
        if not in_comment:
            raise SourceError(f"not utf-8: {reason}", wrong)
        checked = place


def _plain_end(source: bytes, quote: int) -> int:
    mark = source[quote : quote + 3]
    if mark in (b'"""', b"'''"):
        place = quote + 3
        while True:
            end = source.find(mark, place)
            if end < 0:
                raise SourceError("unterminated triple-quoted string literal", quote)
            if source[end - 1] != 0x5C:
                return end + 3
            backslashes = end - quote - len(source[quote:end].rstrip(b"\\"))
            if backslashes % 2 == 0:
                return end + 3
            place = end + 1
    match = _SINGLE[mark[:1]].match(source, quote)
    if not match:
        raise SourceError("unterminated string literal", quote)
    return match.end()


def _literal(source: bytes, start: int, prefix: bytes, tokens: list[Token] | None, nesting: int) -> int:
    """The end of the literal at `start`, whose tokens are added to `tokens`."""
    quote = start + len(prefix)
    formatted = any(letter in b"fFtT" for letter in prefix)
    if formatted:
        end = _formatted(source, start, prefix, tokens, nesting)
        if end is not None:
            return end
    end = _plain_end(source, quote)
    if tokens is not None:
        tokens.append(Token(Kind.STRING, source[start:end], start, end))
    return end


def _formatted(
    source: bytes, start: int, prefix: bytes, tokens: list[Token] | None, nesting: int
) -> int | None:
    """The end of a literal with replacement fields, None where it has none."""
    if nesting > _MAX_FORMATTED:
        raise SourceError("too many nested f-strings", start)
    place = start + len(prefix)
    mark = source[place : place + 3]
    if mark not in (b'"""', b"'''"):
        mark = mark[:1]
    place += len(mark)
    stop = (_RAW_STOP if b"r" in prefix.lower() else _LITERAL_STOP)[mark]
    fields: list[Token] = []
    while True:
        match = stop.search(source, place)
        if not match:
            raise SourceError("unterminated f-string literal", start)
        place = match.end()
        found = match[0]
        if found == mark:
            break
        if found == b"\n" and len(mark) == 1:
            raise SourceError("unterminated f-string literal", start)
        if found == b"\\N{":
            place = source.find(b"}", place) + 1
            if not place:
                raise SourceError("unterminated f-string literal", start)
        elif found == b"{":
            place = _field(source, place, fields, nesting + 1)
    if not fields:
        return None
    if tokens is not None:
        tokens.append(Token(Kind.FORMATTED, prefix + mark, start, start + len(prefix) + len(mark)))
        tokens += fields
    return place


def _field(source: bytes, place: int, tokens: list[Token], nesting: int) -> int:
    """The end of the replacement field whose brace is just before `place`."""
    if nesting > _MAX_FORMATTED:
        raise SourceError("too many nested f-strings", place)
    tokens.append(Token(Kind.OPERATOR, b"{", place - 1, place))
    place = _lex(source, place, tokens, in_field=True, nesting=nesting)
    if source[place : place + 1] == b"!":
        conversion = _CONVERSION.match(source, place)
        if not conversion:
            raise SourceError("f-string: invalid conversion character", place)
        place = conversion.end()
    if source[place : place + 1] == b":":
        place += 1
        while True:
            match = _SPECIFIER_STOP.search(source, place)
            if not match:
                raise SourceError("f-string: expecting '}'", place)
            place = match.end()
            if match[0] == b"{":
                place = _field(source, place, tokens, nesting + 1)
            elif match[0] == b"}":
                place -= 1
                break
    if source[place : place + 1] != b"}":
        raise SourceError("f-string: expecting '}'", place)
    tokens.append(Token(Kind.OPERATOR, b"}", place, place + 1))
    return place + 1


def _lex(source: bytes, place: int, tokens: list[Token], *, in_field: bool, nesting: int) -> int:
    """Add the tokens from `place` on; returns the offset behind the newline that ends the logical line.

    In a replacement field: the offset of the brace, colon or exclamation mark that ends its expression.
    """
    depth = 0
    begin = place
    while True:
        match = _TOKEN.match(source, place)
        if not match:
            raise SourceError("unexpected end of file", begin)
        place = match.end()
        group = match.lastgroup
        if group == "string":
            place = _literal(source, match.start("string"), match["string"], tokens, nesting)
            continue
        if group == "comment":
            continue
        if group == "newline":
            if depth == 0 and not in_field:
                return place
            if place >= len(source):
                raise SourceError("a bracket was never closed", begin)
            continue
        text, start = match[group or 0], match.start(group or 0)
        if group == "operator":
            if in_field and not depth and text in (b"}", b":", b":=", b"!"):
                return start
            if text in _OPENING:
                depth += 1
                if depth > _MAX_DEPTH:
                    raise SourceError("too many nested brackets", start)
            elif text in _CLOSING:
                depth -= 1
                if depth < 0:
                    raise SourceError(f"unmatched '{text.decode()}'", start)
            tokens.append(Token(Kind.OPERATOR, text, start, place))
        else:
            tokens.append(Token(Kind.NAME if group == "name" else Kind.NUMBER, text, start, place))
