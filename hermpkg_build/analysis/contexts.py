"""In which contexts the statements of a source stand: what its enclosing blocks say of when they run."""

from __future__ import annotations

from typing import Final

from hermpkg_build.analysis.expressions import (
    catches_import_error,
    depths,
    lambda_colon,
    suppresses_import_error,
    type_checking_test,
)
from hermpkg_build.analysis.layout import Header, Layout
from hermpkg_build.analysis.tokens import Line, Token
from hermpkg_build.core.facts import ImportContext

FUNCTION: Final = int(ImportContext.FUNCTION)
TRY: Final = int(ImportContext.TRY)
TYPE_CHECKING: Final = int(ImportContext.TYPE_CHECKING)
CONDITIONAL: Final = int(ImportContext.CONDITIONAL)
CLASS: Final = 16
"""Within a class body: no import context, but `__all__` is not the module's there."""

IMPORT_CONTEXTS: Final = tuple(ImportContext(flags) for flags in range(16))
"""The contexts by their bits: operators on members of an enumeration are slow."""

_KEYWORDS: Final = frozenset(
    b"if elif else for while try except finally with def class match case async".split()
)


class Contexts:
    """The contexts of one source's statements, as sums of the flags above.

    A context holds all blocks around a statement, whatever stands between: a function within the body
    of a try is in both. `aliases` are the names that stand for TYPE_CHECKING.
    """

    def __init__(self, layout: Layout, aliases: frozenset[str]) -> None:
        self._layout = layout
        self._aliases = aliases
        self._typing = any(name.encode() in layout.source for name in aliases)
        self._suppress = b"suppress" in layout.source
        self._bodies: dict[int, int] = {}
        self._branches: dict[int, tuple[int, int, int]] = {}

    def of_statement(self, start: int, width: int) -> int:
        """The context of the statement at `start`, which begins a line indented by `width`."""
        if width == 0:
            return 0
        index = self._layout.enclosing(start, width)
        return 0 if index is None else self._body(index)

    def of_line(self, line: Line) -> tuple[int, int, int]:
        """The contexts of a line's header and of what follows it, and the index of its first token that does.

        Both contexts are the same, and the index 0, where the line is no header.
        """
        start = line.tokens[0].start
        if line.tokens[0].text in _KEYWORDS:
            index = self._layout.header_at(start)
            colon = 0 if index is None else self._header_colon(line, index)
            if index is not None and colon:
                return self._of_header(index), self._body(index), colon + 1
        flags = self.of_statement(start, self._layout.width_at(line.begin))
        return flags, flags, 0

    def _header_colon(self, line: Line, index: int) -> int:
        """The index of the colon that ends a header; 0 where `match` or `case` is only a name."""
        tokens = line.tokens
        keyword = tokens[0].text
        if keyword == b"match":
            return len(tokens) - 1 if tokens[-1].text == b":" and len(tokens) > 2 else 0
        if keyword == b"case":
            around = self._enclosing(index)
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

    def _enclosing(self, index: int) -> int | None:
        header = self._layout.headers()[index]
        return self._layout.enclosing(header.start, header.width) if header.width else None

    def _around(self, index: int) -> int:
        around = self._enclosing(index)
        return 0 if around is None else self._body(around)

    def _of_header(self, index: int) -> int:
        keyword = self._keyword(index)
        flags = self._around(index)
        if keyword == b"elif":
            return flags | self._branch(index)[0]
        return flags | CONDITIONAL if keyword in (b"except", b"case") else flags

    def _body(self, index: int) -> int:
        """The context of the block under a header."""
        # The chain of blocks is followed to the first known one, then back, so that depth costs no stack.
        chain = []
        around: int | None = index
        while around is not None and around not in self._bodies:
            chain.append(around)
            around = self._enclosing(around)
        flags = 0 if around is None else self._bodies[around]
        for header in reversed(chain):
            flags |= self._own(header)
            self._bodies[header] = flags
        return self._bodies[index]

    def _own(self, index: int) -> int:
        """What one header adds for its block."""
        keyword = self._keyword(index)
        if keyword == b"def":
            return FUNCTION
        if keyword == b"class":
            return CLASS
        if keyword in (b"if", b"elif"):
            return self._branch(index)[1]
        if keyword == b"else":
            return self._else(index)
        if keyword == b"try":
            return TRY if self._is_guarded(index) else 0
        if keyword == b"with":
            return TRY if self._suppress and suppresses_import_error(self._tokens(index)) else 0
        return 0 if keyword == b"finally" else CONDITIONAL

    def _else(self, index: int) -> int:
        before = self._layout.clause_before(index)
        if before is not None and self._keyword(before) in (b"if", b"elif"):
            return self._branch(before)[2]
        return CONDITIONAL

    def _branch(self, index: int) -> tuple[int, int, int]:
        """What an ``if`` or ``elif`` adds for its test, for its block, and for the clauses that follow it."""
        chain: list[int] = []
        clause: int | None = index
        while clause is not None and clause not in self._branches:
            chain.append(clause)
            clause = self._layout.clause_before(clause) if self._keyword(clause) == b"elif" else None
        reached = 0 if clause is None else self._branches[clause][2]
        for clause in reversed(chain):
            here = reached
            value = type_checking_test(self._tokens(clause), self._aliases) if self._typing else None
            block = here | (CONDITIONAL if value is None else 0 if value else TYPE_CHECKING)
            reached |= CONDITIONAL if value is None else TYPE_CHECKING if value else 0
            self._branches[clause] = here, block, reached
        return self._branches[index]

    def _is_guarded(self, index: int) -> bool:
        """Whether a handler of the try at `index` catches ImportError."""
        clause = self._layout.clause_after(index)
        while clause is not None and self._keyword(clause) == b"except":
            tokens = self._tokens(clause)
            if tokens and tokens[0].text == b"*":
                tokens = tokens[1:]
            for place, token in enumerate(tokens):
                if token.text == b"as":
                    tokens = tokens[:place]
                    break
            if catches_import_error(tokens):
                return True
            clause = self._layout.clause_after(clause)
        return False

    def _keyword(self, index: int) -> bytes:
        header: Header = self._layout.headers()[index]
        if header.keyword != b"async":
            return header.keyword
        line = self._layout.line_of(header.start)
        names = [token.text for token in line.tokens[1:2]] if line else []
        return names[0] if names else b""

    def _tokens(self, index: int) -> list[Token]:
        """The tokens between a header's keyword and its colon."""
        line = self._layout.line_of(self._layout.headers()[index].start)
        if line is None:
            return []
        tokens = line.tokens
        colon = self._header_colon(line, index)
        first = 1
        if tokens[0].text == b"async":
            first = 2
        return tokens[first:colon]
