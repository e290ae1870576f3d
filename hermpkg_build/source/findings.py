"""Reads the lines around certain words: calls that import, uses of a module's path, ``__all__``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

from hermpkg_build.core.import_facts import ImportForm
from hermpkg_build.source.bindings import Bindings
from hermpkg_build.source.blocks import Layout
from hermpkg_build.source.contexts import CLASS, FUNCTION, TYPE_CHECKING, Contexts
from hermpkg_build.source.exports import Exports
from hermpkg_build.source.expressions import Tokens, closing, depths, dotted, lambda_bodies
from hermpkg_build.source.import_calls import NamedImport, read_dunder_import, read_import_module
from hermpkg_build.source.tokens import Kind, Line
from hermpkg_build.source.words import Word

_TEXT_LENGTH: Final = 80
_DEFINES: Final = frozenset({b"def", b"class"})
EXPORTS: Final = "__all__"
PLACE_NAMES: Final = frozenset({"__file__", "__path__"})


class Findings:
    """The facts of a source besides import statements, in the order of the words given.

    `calls` are (offset, form, import or None, text, context), `uses` (offset, name).
    """

    def __init__(self, layout: Layout, bindings: Bindings, contexts: Contexts, words: Sequence[Word]) -> None:
        self._source = layout.source
        self._bindings = bindings
        self.calls: list[tuple[int, ImportForm, NamedImport | None, str, int]] = []
        self.uses: list[tuple[int, str]] = []
        self.exports: Exports = Exports()
        for line, words_of_line in _by_line(layout, words):
            self._examine(_LineReader(line, contexts), words_of_line)

    def _examine(self, reader: _LineReader, words: Sequence[Word]) -> None:
        tokens = reader.tokens
        for word in words:
            index = reader.index_of(word.start)
            if index is None:
                continue
            if word.name == EXPORTS:
                if reader.begins_statement(index):
                    self._follow_exports(reader, index)
            elif word.name in PLACE_NAMES:
                if reader.is_read(index):
                    self.uses.append((word.start, word.name))
                elif index and tokens[index - 1].text == b".":
                    self._examine_place(tokens, index, word.name)
            elif (first := _start_of_name(tokens, index)) is not None:
                self._examine_function(reader, first, index)

    def _examine_place(self, tokens: Tokens, last: int, attribute: str) -> None:
        """Note the attribute at `last` where it is that of an imported module."""
        first = _start_of_name(tokens, last)
        module = self._bindings.module(dotted(tokens[first : last - 1])) if first is not None else ""
        if first is not None and module:
            name = attribute if module.startswith(".") else f"{module}.{attribute}"
            self.uses.append((tokens[first].start, name))

    def _follow_exports(self, reader: _LineReader, index: int) -> None:
        context = reader.context(index)
        if not context & (FUNCTION | CLASS | TYPE_CHECKING):
            self.exports.follow(reader.statement(index), always=context == 0)

    def _examine_function(self, reader: _LineReader, first: int, last: int) -> None:
        tokens = reader.tokens
        name, start = dotted(tokens[first : last + 1]), tokens[first].start
        if name in self._bindings.source_readers:
            self.uses.append((start, self._bindings.source_readers[name]))
        form = self._bindings.importers.get(name)
        if form is None or tokens[last + 1 : last + 2] == [] or tokens[last + 1].text != b"(":
            return
        if reader.is_pattern(first):
            return
        end = closing(tokens, last + 1)
        read = read_import_module if form is ImportForm.IMPORT_MODULE else read_dunder_import
        text = self._source[start : tokens[end].end].decode("utf-8", "replace")
        text = " ".join(text.split())[:_TEXT_LENGTH]
        found = read(tokens[last + 2 : end])
        self.calls.append((start, form, found, text, reader.context(first)))


class _LineReader:
    """One logical line with the answers that need all of it."""

    def __init__(self, line: Line, contexts: Contexts) -> None:
        self.tokens = line.tokens
        self._header, self._body, self._first = contexts.of_line(line)

    @cached_property
    def _index(self) -> dict[int, int]:
        return {token.start: index for index, token in enumerate(self.tokens)}

    @cached_property
    def _nesting(self) -> list[int]:
        return depths(self.tokens)

    @cached_property
    def _lambdas(self) -> list[tuple[int, int]]:
        return list(lambda_bodies(self.tokens))

    def index_of(self, start: int) -> int | None:
        """The index of the name token at `start`."""
        index = self._index.get(start)
        return index if index is not None and self.tokens[index].kind is Kind.NAME else None

    def context(self, index: int) -> int:
        """The context of the token at `index`."""
        context = self._header if index < self._first else self._body
        if any(start <= index < end for start, end in self._lambdas):
            context |= FUNCTION
        return context

    def begins_statement(self, index: int) -> bool:
        """Whether a simple statement begins with the token at `index`."""
        if index == self._first:
            return True
        return index > self._first and self.tokens[index - 1].text == b";" and self._nesting[index] == 0

    def statement(self, index: int) -> Tokens:
        """The tokens of the simple statement that begins at `index`."""
        ends = (end for end in range(index, len(self.tokens)) if self.tokens[end].text == b";")
        return self.tokens[index : next(ends, None)]

    def is_read(self, index: int) -> bool:
        """Whether the name at `index` stands for a variable: no attribute, keyword argument or definition."""
        before = self.tokens[index - 1].text if index else b""
        if before == b"." or before in _DEFINES:
            return False
        behind = self.tokens[index + 1].text if index + 1 < len(self.tokens) else b""
        return not (behind == b"=" and self._nesting[index] > 0)

    def is_pattern(self, index: int) -> bool:
        """Whether the token at `index` is part of a pattern of match, where a call calls nothing."""
        if not (index < self._first and self.tokens[0].text == b"case"):
            return False
        guard = (i for i in range(self._first) if self.tokens[i].text == b"if" and self._nesting[i] == 0)
        return index < next(guard, self._first)


def _by_line(layout: Layout, words: Sequence[Word]) -> Iterator[tuple[Line, list[Word]]]:
    line: Line | None = None
    group: list[Word] = []
    for word in words:
        if line is None or word.start >= line.end:
            if line is not None:
                yield line, group
            line, group = layout.line_of(word.start), []
        group.append(word)
    if line is not None:
        yield line, group


def _start_of_name(tokens: Tokens, last: int) -> int | None:
    """The index where the dotted name that ends at `last` begins; None where it is part of something else."""
    first = last
    while first >= 2 and tokens[first - 1].text == b"." and tokens[first - 2].kind is Kind.NAME:
        first -= 2
    if first and (tokens[first - 1].text == b"." or tokens[first - 1].text in _DEFINES):
        return None
    return first
