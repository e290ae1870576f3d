"""Finds the import statements of a source by the word, and reads nearly all by one pattern."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple, TypeAlias

from hermpkg_build.source.blocks import Layout, indent_width
from hermpkg_build.source.expressions import Tokens, depths, dotted, identifier, split, without_parentheses
from hermpkg_build.source.tokens import NAME_BYTE, Kind, Line

_BACKSLASH: Final = 0x5C
_WORD: Final = b"import"

_BEFORE: Final = frozenset(b" \t\f\n;:.\\")
_AFTER: Final = frozenset(b" \t\f\\(*")
"""The bytes that can stand right before and right behind the keyword."""

_STATEMENT: Final = re.compile(
    rb"([ \t]*)(?:import[ \t]+([\w., \t]+)"
    rb"|from[ \t]+(\.*)([\w.]*)[ \t]+import"
    rb"(?:[ \t]*\(([\w, \t\n]*)\)[ \t]*|[ \t]+([\w, \t]+|\*[ \t]*)))(?:#[^\n]*)?\n"
)
"""An import statement that has its line for itself, as nearly all do."""

_BEGINNING: Final = re.compile(rb"(?:\A|[;:])[ \t\f\\]*(?:from(?!" + NAME_BYTE + rb")[^;:#\"']*)?\Z")
"""The text on the line before the keyword if a statement begins there."""

_NAMES: Final = re.compile(r"(\w+)(?:\s+as\s+(\w+))?")


Alias: TypeAlias = tuple[str, str]
"""A name that an import statement names, and the name it binds ("" for its own)."""

_STAR: Final = ("*", "")


class ImportStatement(NamedTuple):
    """An import statement at `start`.

    `names` are modules where `level` is -1 (``import a, b``), else what is taken from `module`.
    `width` is the indentation of the statement; -1 where it shares a line, which is then `line`.
    """

    start: int
    module: str
    level: int
    names: tuple[Alias, ...]
    width: int
    line: Line | None


def import_statements(layout: Layout) -> Iterator[ImportStatement]:
    """All import statements of a source in its order. Raises SourceError."""
    source = layout.source
    place = source.find(_WORD)
    while place >= 0:
        behind = place + len(_WORD)
        if source[behind] in _AFTER and source[place - 1] in _BEFORE:
            edge = source.rfind(b"\n", 0, place)
            continued = source[edge - 1] == _BACKSLASH
            match = None if continued else _STATEMENT.match(source, edge + 1)
            statement = match and _read(match, edge + 1)
            if match and statement:
                if not layout.in_long_string(place):
                    yield statement
                    behind = match.end() - 1
            elif continued or _may_begin(source[edge + 1 : place]):
                line = None if layout.in_long_string(place) else layout.line_of(place)
                if line and any(token.start == place for token in line.tokens):
                    yield from _statements_of(line)
                    behind = line.end
        place = source.find(_WORD, behind)


def _may_begin(head: bytes) -> bool:
    if b"#" in head and not (b'"' in head or b"'" in head):
        return False
    return _BEGINNING.search(head) is not None


def _read(match: re.Match[bytes], begin: int) -> ImportStatement | None:
    """The statement on a line of its own; None where only the lexer can read it."""
    indent, modules, dots, module, several, single = match.groups()
    start, width = begin + len(indent), indent_width(indent)
    if modules is not None:
        aliases = []
        for part in modules.decode().split(","):
            words = part.split()
            if len(words) == 1:
                aliases.append((words[0], ""))
            elif len(words) == 3 and words[1] == "as":
                aliases.append((words[0], words[2]))
            else:
                return None
        return ImportStatement(start, "", -1, tuple(aliases), width, None)
    names = (single if several is None else several).decode()
    if not names.strip():
        return None
    aliases = [_STAR] if names[0] == "*" else _NAMES.findall(names)
    return ImportStatement(start, module.decode(), len(dots), tuple(aliases), width, None)


def _statements_of(line: Line) -> Iterator[ImportStatement]:
    tokens = line.tokens
    nesting = depths(tokens)
    for index, token in enumerate(tokens):
        if token.kind is not Kind.NAME or token.text not in (b"import", b"from") or nesting[index]:
            continue
        if index and tokens[index - 1].text not in (b";", b":"):
            continue
        end = next((i for i in range(index, len(tokens)) if tokens[i].text == b";"), len(tokens))
        yield _parse(line, tokens[index:end])


def _parse(line: Line, tokens: Tokens) -> ImportStatement:
    start = tokens[0].start
    if tokens[0].text == b"import":
        return ImportStatement(start, "", -1, tuple(_aliases(tokens[1:])), -1, line)
    word = next((i for i, token in enumerate(tokens) if token.text == b"import"), len(tokens))
    origin = tokens[1:word]
    level = 0
    while origin and not origin[0].text.strip(b"."):
        level += len(origin[0].text)
        origin = origin[1:]
    names = tuple(_aliases(without_parentheses(tokens[word + 1 :])))
    return ImportStatement(start, dotted(origin), level, names, -1, line)


def _aliases(tokens: Tokens) -> Iterator[Alias]:
    for part in split(tokens, b","):
        if len(part) == 1 and part[0].text == b"*":
            yield _STAR
        elif len(part) > 2 and part[-2].text == b"as":
            yield dotted(part[:-2]), identifier(part[-1].text)
        else:
            yield dotted(part), ""
