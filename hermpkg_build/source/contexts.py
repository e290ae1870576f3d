"""The contexts of statements: under which conditions the blocks around them run."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from hermpkg_build.core.import_facts import ImportContext
from hermpkg_build.source.blocks import Header, Layout
from hermpkg_build.source.expressions import (
    catches_import_error,
    depths,
    lambda_colon,
    suppresses_import_error,
    type_checking_test,
    until_as,
)
from hermpkg_build.source.tokens import Line, Token

FUNCTION: Final = int(ImportContext.FUNCTION)
TRY: Final = int(ImportContext.TRY)
TYPE_CHECKING: Final = int(ImportContext.TYPE_CHECKING)
CONDITIONAL: Final = int(ImportContext.CONDITIONAL)
CLASS: Final = 16
"""Within a class body: no import context, but `__all__` is not the module's there."""


class Contexts:
    """The contexts of one source's statements, as sums of the flags above.

    A context holds all blocks around a statement, whatever stands between: a function within the body
    of a try is in both. `aliases` are the names that stand for TYPE_CHECKING.
    """

    def __init__(self, layout: Layout, aliases: frozenset[str]) -> None:
        self._layout = layout
        self._aliases = aliases
        self._bodies: dict[int, int] = {}
        self._branches: dict[int, tuple[int, int, int]] = {}

    def of_statement(self, start: int, width: int) -> int:
        """The context of the statement at `start`, which begins a line indented by `width`."""
        header = self._layout.enclosing(start, width) if width else None
        return self._body(header) if header else 0

    def of_line(self, line: Line) -> tuple[int, int, int]:
        """The contexts of a line's header and of what follows it, and the index of its first token that does.

        Both contexts are the same, and the index 0, where the line is not a header.
        """
        header = self._layout.header_at(line)
        colon = self._header_colon(line, header) if header else 0
        if header and colon:
            return self._of_header(header), self._body(header), colon + 1
        flags = self.of_statement(line.begin, self._layout.width_at(line.begin))
        return flags, flags, 0

    def _header_colon(self, line: Line, header: Header) -> int:
        """The index of the colon that ends a header; 0 where `match` or `case` is only a name."""
        tokens = line.tokens
        if header.keyword == b"match":
            return len(tokens) - 1 if tokens[-1].text == b":" and len(tokens) > 2 else 0
        if header.keyword == b"case":
            around = self._around(header)
            if around is None or self._keyword(around) != b"match":
                return 0
        nesting = depths(tokens)
        place = 0
        while place < len(tokens):
            if nesting[place] == 0:
                if tokens[place].text == b"lambda":
                    place = lambda_colon(tokens, nesting, place)
                elif tokens[place].text == b":":
                    return place
            place += 1
        return 0

    def _around(self, header: Header) -> Header | None:
        return self._layout.enclosing(header.begin, header.width) if header.width else None

    def _of_header(self, header: Header) -> int:
        keyword = self._keyword(header)
        around = self._around(header)
        flags = self._body(around) if around else 0
        if keyword == b"elif":
            return flags | self._branch(header)[0]
        return flags | CONDITIONAL if keyword in (b"except", b"case") else flags

    def _body(self, header: Header) -> int:
        """The context of the block under a header."""
        # The chain of blocks is followed to the first known one, then back, so that depth costs no stack.
        chain = []
        around: Header | None = header
        while around and around.start not in self._bodies:
            chain.append(around)
            around = self._around(around)
        flags = self._bodies[around.start] if around else 0
        for inner in reversed(chain):
            flags |= self._own(inner)
            self._bodies[inner.start] = flags
        return self._bodies[header.start]

    def _own(self, header: Header) -> int:
        """The context that one header adds for its block."""
        keyword = self._keyword(header)
        if keyword == b"def":
            return FUNCTION
        if keyword == b"class":
            return CLASS
        if keyword in (b"if", b"elif"):
            return self._branch(header)[1]
        if keyword == b"else":
            before = self._layout.clause_before(header)
            after_test = before and self._keyword(before) in (b"if", b"elif")
            return self._branch(before)[2] if before and after_test else CONDITIONAL
        if keyword == b"try":
            return TRY if self._is_guarded(header) else 0
        if keyword == b"with":
            return TRY if self._suppresses and suppresses_import_error(self._tokens(header)) else 0
        return 0 if keyword == b"finally" else CONDITIONAL

    @cached_property
    def _suppresses(self) -> bool:
        return b"suppress" in self._layout.source

    @cached_property
    def _asks_for_typing(self) -> bool:
        return any(name.encode() in self._layout.source for name in self._aliases)

    def _branch(self, header: Header) -> tuple[int, int, int]:
        """The contexts that an ``if`` or ``elif`` adds for its test, its block, and the following clauses."""
        chain: list[Header] = []
        clause: Header | None = header
        while clause and clause.start not in self._branches:
            chain.append(clause)
            clause = self._layout.clause_before(clause) if clause.keyword == b"elif" else None
        reached = self._branches[clause.start][2] if clause else 0
        for clause in reversed(chain):
            here = reached
            value = None
            if self._asks_for_typing:
                value = type_checking_test(self._tokens(clause), self._aliases)
            block = here | (CONDITIONAL if value is None else 0 if value else TYPE_CHECKING)
            reached |= CONDITIONAL if value is None else TYPE_CHECKING if value else 0
            self._branches[clause.start] = here, block, reached
        return self._branches[header.start]

    def _is_guarded(self, header: Header) -> bool:
        """Whether a handler of a try catches ImportError."""
        clause = self._layout.clause_after(header)
        while clause and clause.keyword == b"except":
            tokens = self._tokens(clause)
            if tokens and tokens[0].text == b"*":
                tokens = tokens[1:]
            if catches_import_error(until_as(tokens)):
                return True
            clause = self._layout.clause_after(clause)
        return False

    def _keyword(self, header: Header) -> bytes:
        if header.keyword != b"async":
            return header.keyword
        line = self._layout.line_of(header.start)
        names = [token.text for token in line.tokens[1:2]] if line else []
        return names[0] if names else b""

    def _tokens(self, header: Header) -> list[Token]:
        """The tokens between a header's keyword and its colon."""
        line = self._layout.line_of(header.start)
        if line is None:
            return []
        first = 2 if line.tokens[0].text == b"async" else 1
        return line.tokens[first : self._header_colon(line, header)]
