"""The text of one BUILD file with its syntax tree and tokens, and what stands between the brackets in it."""

from __future__ import annotations

import ast
import io
import tokenize
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import TypeAlias

from hermpkg_build.core.starlark_text import INDENT, goes_in_lines
from hermpkg_build.core.syntax_trees import parse_module
from hermpkg_build.dataclass import dataclass, field, replace
from hermpkg_build.errors import LoadingError, Location

_LAYOUT = (tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
_OPENING, _CLOSING = ("(", "[", "{"), (")", "]", "}")

Bracketed: TypeAlias = ast.List | ast.Dict | ast.Call


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One of the things between brackets: its text, the comments on lines above it, and one behind it.

    `indent` is how far the line is indented in which the text begins, which its other lines go by;
    `begins_line` says that it is the first thing there. An item with the text "" is the last one, and stands
    for comments before the closing bracket.
    """

    text: str
    above: tuple[str, ...] = ()
    behind: str = ""
    indent: int = 0
    begins_line: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Brackets:
    """A pair of brackets from `begin` to `end`, their items, and a comment behind the opening one.

    `in_lines` says that they begin and end on different lines, `closes_line` that the closing one is the
    first thing on its line.
    """

    begin: int
    end: int
    items: tuple[Item, ...]
    behind: str
    in_lines: bool
    closes_line: bool

    @property
    def is_laid_out(self) -> bool:
        """Whether each item has a line of its own."""
        return self.closes_line and all(item.begins_line for item in self.items if item.text)


class BuildText:
    """A BUILD file as text whose lines end in newlines alone. Every edit gives a new one.

    `path` is relative to the workspace root. Raises LoadingError for text that does not parse.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        try:
            self.tree: ast.Module = parse_module(text, path)[0]
            self._tokens = [*tokenize.generate_tokens(io.StringIO(text).readline)]
        except (SyntaxError, ValueError, tokenize.TokenError) as error:
            raise LoadingError(f"the file does not parse: {error}", location=Location(path)) from None

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self._lines:
            starts.append(starts[-1] + len(line) + 1)
        return starts

    def span(self, node: ast.AST) -> tuple[int, int]:
        """Where a node begins and ends, counted in characters."""
        begin = self._offset(getattr(node, "lineno", 1), getattr(node, "col_offset", 0))
        return begin, self._offset(getattr(node, "end_lineno", 1), getattr(node, "end_col_offset", 0))

    def source(self, node: ast.AST) -> str:
        """The text of a node."""
        begin, end = self.span(node)
        return self.text[begin:end]

    def location(self, node: ast.AST) -> Location:
        """Where a node begins."""
        begin, _ = self.span(node)
        line = bisect_right(self._starts, begin)
        return Location(self.path, line, begin - self._starts[line - 1] + 1)

    def spliced(self, begin: int, end: int, text: str) -> BuildText:
        """The file with other text between two places."""
        return BuildText(self.path, self.text[:begin] + text + self.text[end:])

    def brackets_of(self, node: Bracketed) -> Brackets:
        """What stands between the brackets of a list, a dictionary, or around the arguments of a call."""
        begin, _ = self.span(node)
        if isinstance(node, ast.Call):
            _, begin = self.span(node.func)
        tokens = iter(self._tokens)
        opening = next(t for t in tokens if self.offset(t.start) >= begin and t.string in _OPENING)
        reader = _Reader(self, opening)
        while not reader.take(next(tokens)):
            pass
        return reader.brackets()

    def with_items(self, node: Bracketed, items: Sequence[Item]) -> BuildText:
        """The file with other items in a list, a dictionary or a call, laid out as buildifier does it."""
        ordinal = self._ordinal(node)
        brackets = self.brackets_of(node)
        changed = self._written(brackets, items, in_lines=brackets.in_lines and len(brackets.items) != 0)
        return changed.laid_out(ordinal)

    def with_node(self, node: ast.AST, text: str) -> BuildText:
        """The file with other text for a node, laid out as buildifier does it."""
        begin, end = self.span(node)
        moved = _moved(Item(text=text), self.indentation(begin))
        return self.spliced(begin, end, moved).laid_out(self._ordinal(node))

    def laid_out(self, ordinal: int) -> BuildText:
        """The file with all brackets around a node laid out, from the outside in."""
        text = self
        while (crowded := text._crowded(ordinal)) is not None:
            text = text._written(crowded, crowded.items, in_lines=True)
        return text

    def _crowded(self, ordinal: int) -> Brackets | None:
        """The outermost brackets around a node whose items should have a line each, and have not."""
        nodes = [*ast.walk(self.tree)]
        place, _ = self.span(nodes[ordinal])
        for node in nodes:
            if not isinstance(node, ast.List | ast.Dict | ast.Call):
                continue
            begin, end = self.span(node)
            if begin <= place < end:
                brackets = self.brackets_of(node)
                if _needs_lines(node, brackets) and not brackets.is_laid_out:
                    return brackets
        return None

    def _ordinal(self, node: ast.AST) -> int:
        """The number of a node, which is the same in all texts that differ in layout only."""
        return next(number for number, other in enumerate(ast.walk(self.tree)) if other is node)

    def _written(self, brackets: Brackets, items: Sequence[Item], *, in_lines: bool) -> BuildText:
        """The file with other items between brackets: in one line, or each in lines of its own."""
        opening, closing = self.text[brackets.begin], self.text[brackets.end - 1]
        indent = self.indentation(brackets.begin)
        is_commented = brackets.behind or any(item.above or item.behind for item in items)
        if not items or not (in_lines or is_commented):
            inner = ", ".join(_moved(item, indent) for item in items)
            return self.spliced(brackets.begin, brackets.end, f"{opening}{inner}{closing}")
        blanks = " " * (indent + INDENT)
        lines = [f"{opening}  {brackets.behind}" if brackets.behind else opening]
        for item in items:
            lines += [blanks + comment for comment in item.above]
            if item.text:
                behind = f"  {item.behind}" if item.behind else ""
                lines.append(f"{blanks}{_moved(item, indent + INDENT)},{behind}")
        lines.append(" " * indent + closing)
        return self.spliced(brackets.begin, brackets.end, "\n".join(lines))

    def indentation(self, offset: int) -> int:
        """How far the line around a place is indented."""
        line = self._lines[bisect_right(self._starts, offset) - 1]
        return len(line) - len(line.lstrip(" "))

    def begins_line(self, offset: int) -> bool:
        """Whether nothing but blanks stands before a place on its line."""
        start = self._starts[bisect_right(self._starts, offset) - 1]
        return not self.text[start:offset].strip()

    def _offset(self, line: int, column: int) -> int:
        """The place of a byte of a line, as `ast` gives it."""
        text = self._lines[line - 1]
        if not text.isascii():
            column = len(text.encode()[:column].decode(errors="replace"))
        return self._starts[line - 1] + column

    def offset(self, position: tuple[int, int]) -> int:
        """The place of a token's line and column."""
        return self._starts[position[0] - 1] + position[1]


@dataclass(slots=True)
class _Reader:
    """Takes the tokens behind an opening bracket, one by one, up to the closing one."""

    text: BuildText
    opening: tokenize.TokenInfo
    items: list[Item] = field(default_factory=list)
    _above: list[str] = field(default_factory=list)
    _behind: str = ""
    _begin: int = -1
    _end: tuple[int, int] = (0, 0)
    _inner: list[tokenize.TokenInfo] = field(default_factory=list)
    _depth: int = 0
    _line: int = 0
    _closing: tokenize.TokenInfo | None = None

    def __post_init__(self) -> None:
        self._line = self.opening.end[0]

    def take(self, token: tokenize.TokenInfo) -> bool:
        """Take a token; whether it is the closing bracket."""
        if token.type in _LAYOUT:
            return False
        if token.type == tokenize.COMMENT:
            self._take_comment(token)
            return False
        if token.type == tokenize.OP and self._depth == 0 and token.string in (",", *_CLOSING):
            self._finish_item()
            self._line = token.end[0]
            self._closing = None if token.string == "," else token
            return self._closing is not None
        if token.type == tokenize.OP:
            self._depth += (token.string in _OPENING) - (token.string in _CLOSING)
        if self._begin < 0:
            self._begin = self.text.offset(token.start)
        self._end = token.end
        self._inner.clear()  # Comments so far are inside of the item, and part of its text.
        return False

    def _take_comment(self, token: tokenize.TokenInfo) -> None:
        if self._begin >= 0:
            self._inner.append(token)
        elif token.start[0] != self._line:
            self._above.append(token.string)
        elif not self.items:
            self._behind = token.string
        elif self.items[-1].behind:
            self._above.append(token.string)
        else:
            self.items[-1] = replace(self.items[-1], behind=token.string)

    def _finish_item(self) -> None:
        if self._begin < 0:
            return
        behind = [token for token in self._inner if token.start[0] == self._end[0]]
        text = self.text
        self.items.append(
            Item(
                text=text.text[self._begin : text.offset(self._end)],
                above=tuple(self._above),
                behind=behind[0].string if behind else "",
                indent=text.indentation(self._begin),
                begins_line=text.begins_line(self._begin),
            )
        )
        self._above = [token.string for token in self._inner if token not in behind]
        self._begin = -1
        self._inner.clear()

    def brackets(self) -> Brackets:
        """What was read."""
        assert self._closing is not None
        if self._above:
            self.items.append(Item(text="", above=tuple(self._above)))
        end = self.text.offset(self._closing.start)
        return Brackets(
            begin=self.text.offset(self.opening.start),
            end=end + 1,
            items=tuple(self.items),
            behind=self._behind,
            in_lines=self.opening.start[0] != self._closing.start[0],
            closes_line=self.text.begins_line(end),
        )


def _needs_lines(node: Bracketed, brackets: Brackets) -> bool:
    if len(brackets.items) < 2:
        return False
    if not isinstance(node, ast.Call):
        return True
    if isinstance(node.func, ast.Name) and node.func.id == "load":
        return False
    return goes_in_lines([item.text for item in brackets.items], named=bool(node.keywords))


def _moved(item: Item, indent: int) -> str:
    """The text of an item whose first line is indented otherwise now."""
    first, *others = item.text.split("\n")
    if not others or item.indent == indent:
        return item.text
    fixed = _lines_in_strings(item.text)
    moved = [first]
    for number, line in enumerate(others, 2):
        inner = line.lstrip(" ")
        blanks = max(0, len(line) - len(inner) + indent - item.indent)
        moved.append(line if number in fixed else f"{' ' * blanks}{inner}" if inner else "")
    return "\n".join(moved)


def _lines_in_strings(text: str) -> set[int]:
    """The lines of a text that begin inside of a string."""

    def numbers() -> Iterator[int]:
        for token in tokenize.generate_tokens(io.StringIO(f"({text}\n)").readline):
            if token.type == tokenize.STRING:
                yield from range(token.start[0] + 1, token.end[0] + 1)

    return {*numbers()}
