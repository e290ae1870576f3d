"""The layout of a source: its long strings, the starts of its statements, and the blocks around them.

Little is read, and only when asked for: long strings are found by their quotes, blocks by the lines that
begin with a keyword, and only where such a line could be the middle of a bracket is the text before it
lexed, from the nearest line that can be nothing but the start of a statement.
"""

from __future__ import annotations

import functools
import re
from bisect import bisect_left, bisect_right
from typing import Final, NamedTuple

from hermpkg_build.source.tokens import (
    NAME_BYTE,
    Line,
    logical_line,
    next_string,
    skip_blank_lines,
    skip_line,
    string_end,
)

_BACKSLASH: Final = 0x5C

_STATEMENT: Final = re.compile(
    rb"[ \t\f]*(?:(?:import|def|class|return|raise|try|while|with|pass|del|global|nonlocal|assert|break"
    rb"|continue|except|finally|elif|async[ \t]+(?:def|with))(?!" + NAME_BYTE + rb")"
    rb"|from[ \t]+[.\w]+[ \t]+import(?!" + NAME_BYTE + rb")|else[ \t]*:)"
)
"""A line that begins so begins a statement in any valid source, unless a backslash joins it to the line
before: these keywords stand in no expression. (``if``, ``for``, ``else``, ``async for``, ``from`` do.)"""

_KEYWORD: Final = (
    rb"((?:async[ \t]+)?(?:def|for|with)|if|elif|else|while|try|except|finally|class|async|match|case)(?!"
    + NAME_BYTE
    + rb")"
)
_AMBIGUOUS: Final = frozenset({b"if", b"for", b"else", b"async", b"match", b"case"})
_HEADER: Final = re.compile(_KEYWORD)
_UNCLEAR: Final = re.compile(rb"[\"'#}]")
"""Before three quotes on their line, these can make them other than the start of a string."""
_INDENT: Final = re.compile(rb"[ \t\f]*")
_REREADING: Final = 4
"""How often a source may be lexed over, in pieces, before it is lexed once as a whole instead."""


class Header(NamedTuple):
    """The first keyword of what may be a compound statement or one of its clauses (``async`` left out).

    `width` is its indentation, `begin` the start of its line.
    """

    start: int
    width: int
    keyword: bytes
    begin: int


def indent_width(blanks: bytes) -> int:
    """The column that leading blanks reach: tabs stop at each eighth, a form feed starts again."""
    if blanks.strip(b" "):
        return len(blanks[blanks.rfind(b"\f") + 1 :].expandtabs(8))
    return len(blanks)


class Layout:
    """Answers about one source in the normal form of `normal_form`; all may raise SourceError."""

    def __init__(self, source: bytes) -> None:
        self.source = source
        self._string_starts: list[int] = []
        self._string_ends: list[int] = []
        # Every long string that begins before this offset is listed, and the offset lies in none.
        self._known = 1
        self._double = source.find(b'"""')
        self._single = source.find(b"'''")
        self._lines: dict[int, Line | None] = {}
        self._line_ends: dict[int, int] = {}
        self._confirmed: dict[int, bool] = {}
        self._enclosing: dict[int, tuple[int, Header | None]] = {}
        self._reread = 0
        self._begins: list[int] | None = None

    def in_long_string(self, place: int) -> bool:
        """Whether `place` lies behind the first quote of a string literal of several lines."""
        self._read_to(place)
        index = bisect_left(self._string_starts, place) - 1
        return index >= 0 and place < self._string_ends[index]

    def line_of(self, place: int) -> Line | None:
        """The logical line that reaches over `place`; None where that is a comment or the end."""
        begin, end = self._last_line_before(place)
        if end <= place:
            return None
        if begin not in self._lines:
            self._lines[begin] = logical_line(self.source, begin)
        return self._lines[begin]

    def width_at(self, begin: int) -> int:
        """The indentation of the logical line that begins at `begin`.

        Where backslashes join lines before its first token, the first indented one counts, as in CPython.
        """
        while match := _INDENT.match(self.source, begin):
            width = indent_width(match[0])
            begin = match.end() + 2
            if width or self.source[match.end() : begin] != b"\\\n":
                return width
        return 0

    def header_at(self, line: Line) -> Header | None:
        """The header that a logical line begins with, if it does."""
        start = line.tokens[0].start
        match = _HEADER.match(self.source, start)
        return Header(start, self.width_at(line.begin), match[1].split()[-1], line.begin) if match else None

    def enclosing(self, start: int, width: int) -> Header | None:
        """The header of the block around a statement at `start` with indentation `width`, if any.

        That is the nearest statement before it that is indented less.
        """
        # What the last answer for this indentation has searched needs no second search.
        searched, header = self._enclosing.get(width, (0, None))
        if searched >= start:
            searched, header = 0, None
        pattern, end = _header_before(width), start
        while match := pattern.match(self.source, searched, end):
            found = self._confirmed_header(match, width)
            if found:
                header = found
                break
            end = match.start(2)
        # The newline before `start` belongs to the next search: a header can begin right here.
        self._enclosing[width] = start - 1, header
        return header

    def clause_before(self, header: Header) -> Header | None:
        """The clause that precedes an ``elif``, ``else``, ``except`` ..."""
        return self.enclosing(header.begin, header.width + 1)

    def clause_after(self, header: Header) -> Header | None:
        """The next compound statement or clause in the block of `header`."""
        pattern, end = _header_behind(header.width + 1), header.start
        while match := pattern.search(self.source, end):
            found = self._confirmed_header(match, header.width + 1)
            if found:
                return found if found.width == header.width else None
            end = match.start(2)
        return None

    def _confirmed_header(self, match: re.Match[bytes], width: int) -> Header | None:
        """What was matched, if it begins a statement that is indented by less than `width`."""
        begin, start = match.span(1)[0], match.start(2)
        if self.in_long_string(start):
            return None
        if self.source[begin - 2] == _BACKSLASH:
            line = self.line_of(start)
            if not line or line.tokens[0].start != start:
                return None
            begin = line.begin
        header = Header(start, self.width_at(begin), match[2].split()[-1], begin)
        return header if header.width < width and self._is_statement(header) else None

    def _is_statement(self, header: Header) -> bool:
        """Whether the header begins a logical line, instead of standing within brackets."""
        if header.keyword not in _AMBIGUOUS:
            return True
        confirmed = self._confirmed.get(header.begin)
        if confirmed is None:
            confirmed = self._last_line_before(header.start)[0] == header.begin
            self._confirmed[header.begin] = confirmed
        return confirmed

    def _last_line_before(self, place: int) -> tuple[int, int]:
        """Where the last logical line that begins at or before `place` begins and ends.

        Blank and comment lines belong to none, so that `place` may lie behind that end.
        """
        self._read_to(place)
        source = self.source
        begin = end = start = self._statement_before(place)
        while True:
            start = skip_blank_lines(source, start)
            if start > place or start >= len(source):
                return begin, end
            begin = start
            if begin not in self._line_ends:
                self._line_ends[begin] = skip_line(source, begin)
            start = end = self._line_ends[begin]

    def _statement_before(self, place: int) -> int:
        """A line at or before `place` that certainly begins a statement (or is the first line)."""
        if self._begins is not None:
            return self._begins[max(bisect_right(self._begins, place) - 1, 0)]
        source, starts, ends = self.source, self._string_starts, self._string_ends
        begin = source.rfind(b"\n", 0, place) + 1
        index = bisect_left(starts, begin) - 1
        while begin > 1:
            while index >= 0 and starts[index] >= begin:
                index -= 1
            if index >= 0 and begin < ends[index]:
                begin = source.rfind(b"\n", 0, starts[index]) + 1
                continue
            if source[begin - 2] != _BACKSLASH and _STATEMENT.match(source, begin):
                break
            begin = source.rfind(b"\n", 0, begin - 1) + 1
        begin = max(begin, 1)
        self._reread += place - begin
        if self._reread > _REREADING * len(source):
            self._begins = self._all_lines()
            return self._statement_before(place)
        return begin

    def _all_lines(self) -> list[int]:
        begins, start, length = [1], skip_blank_lines(self.source, 1), len(self.source)
        while start < length:
            begins.append(start)
            start = skip_blank_lines(self.source, skip_line(self.source, start))
        return begins

    def _read_to(self, place: int) -> None:
        """List the long strings that begin before `place`."""
        source = self.source
        while True:
            if 0 <= self._double < self._known:
                self._double = source.find(b'"""', self._known)
            if 0 <= self._single < self._known:
                self._single = source.find(b"'''", self._known)
            quote = self._double
            if quote < 0 or 0 <= self._single < quote:
                quote = self._single
            if quote < 0 or quote >= place:
                return
            begin = max(source.rfind(b"\n", 0, quote) + 1, self._known)
            head = source[begin:quote].strip()
            if source[begin - 2] == _BACKSLASH or (head and _UNCLEAR.search(head)):
                self._read_line(begin, quote)
            else:
                self._known = string_end(source, quote)
                self._string_starts.append(quote)
                self._string_ends.append(self._known)

    def _read_line(self, begin: int, quote: int) -> None:
        """Read past the three quotes at `quote` when what stands before them decides what they are."""
        source, start = self.source, self._statement_before(begin)
        while True:
            opening = next_string(source, start)
            if opening is None or opening > quote:
                # The quotes stand in a comment.
                self._known = source.find(b"\n", quote)
                return
            start = string_end(source, opening)
            if opening >= self._known and source.find(b"\n", opening, start) >= 0:
                self._string_starts.append(opening)
                self._string_ends.append(start)
            if start > quote:
                self._known = start
                return


@functools.cache
def _header_before(width: int) -> re.Pattern[bytes]:
    """Matches up to the last header that is indented by less than `width`: searches from the end back."""
    return re.compile(rb"(?s:.*)" + _header(width))


@functools.cache
def _header_behind(width: int) -> re.Pattern[bytes]:
    return re.compile(_header(width))


def _header(width: int) -> bytes:
    """A header indented by fewer than `width` blanks, or by tabs, which the caller has to measure."""
    blanks = rb"( {0,%d}| *[\t\f][ \t\f]*)" % (width - 1)
    return rb"\n" + blanks + rb"(?:\\\n[ \t\f]*)*" + _KEYWORD
