"""Parses TOML that anybody may have written, in bounded time, and finds where its keys stand."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

_MOST_COST = 2_000**2
"""A key of more parts than that takes seconds to parse."""

_QUIET = re.compile(
    r'"""(?:\\.|[^\\])*?"""|\'\'\'.*?\'\'\'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*', re.DOTALL
)
_HEADER = re.compile(r"[ \t]*(\[\[?)([^\]\n]*)\]")
_KEY = re.compile(r"[ \t]*([^=\n]+?)[ \t]*=")
_PART = re.compile(r'"((?:\\.|[^"\\])*)"|\'([^\']*)\'|([^\s."\']+)')

Place = tuple[int, int]
"""A line and a column, from 1."""
KeyPath = tuple["str | int", ...]
"""The keys and list indexes that lead to a value: ``("artifact", 1, "sha256")``."""


class NestedTooDeeplyError(ValueError):
    """A text in TOML that the parser would take too long for, or has no stack for."""


def parse_toml(data: bytes | str) -> dict[str, Any]:
    """Return what a text in TOML says. Raises ValueError.

    >>> parse_toml(b"[tool.hermpkg]")
    {'tool': {'hermpkg': {}}}
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    text = data.decode("utf-8-sig") if isinstance(data, bytes) else data
    if _cost_of_keys(text) > _MOST_COST:
        raise NestedTooDeeplyError("it is nested too deeply")
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except RecursionError:
        raise NestedTooDeeplyError("it is nested too deeply") from None
    return document


def _cost_of_keys(text: str) -> int:
    """What the dotted keys of a TOML file cost the parser: the squares of their parts, each key in a line."""
    if text.count(".") ** 2 <= _MOST_COST:
        return 0
    unquoted = re.sub(r"\"[^\"\n]*\"|'[^'\n]*'", "", text)
    return sum(line.count(".") ** 2 for line in unquoted.split("\n"))


def places_of_keys(text: str) -> dict[KeyPath, Place]:
    r"""Return where each key of a sound TOML `text` is written first, headers of tables included.

    Keys within inline tables are not found: the place of the whole table is.

    >>> places_of_keys('[[a]]\nb = 1')
    {('a', 0): (1, 1), ('a', 0, 'b'): (2, 1)}
    """
    # What stands in texts and comments cannot be a key: it becomes as many blanks, save in quoted keys.
    quiet = _QUIET.sub(lambda match: re.sub(r"[^\n]", "_", match[0]), text)
    found: dict[KeyPath, Place] = {}
    counts: dict[tuple[str, ...], int] = {}
    table: KeyPath = ()
    for number, start, line in _lines_outside_values(quiet):
        whole = text[start : start + len(line)]
        if header := _HEADER.match(line):
            names = _parts(whole[header.start(2) : header.end(2)])
            if header[1] == "[[":
                counts[names] = counts.get(names, -1) + 1
            table = _indexed(names, counts)
            found.setdefault(table, (number, header.start(1) + 1))
        elif key := _KEY.match(line):
            path = table
            for part in _parts(whole[key.start(1) : key.end(1)]):
                path = (*path, part)
                found.setdefault(path, (number, key.start(1) + 1))
    return found


def _lines_outside_values(quiet: str) -> Iterator[tuple[int, int, str]]:
    """Give the number, the offset and the text of each line that does not begin within a value."""
    depth, start = 0, 0
    in_text = False
    for number, line in enumerate(quiet.split("\n"), 1):
        if depth == 0 and not in_text:
            yield number, start, line
        header = _HEADER.match(line) if depth == 0 else None
        rest = line[header.end() :] if header else line
        depth = max(depth + sum(map(rest.count, "[{")) - sum(map(rest.count, "]}")), 0)
        start += len(line) + 1


def _parts(text: str) -> tuple[str, ...]:
    return tuple(match[1] or match[2] or match[3] or "" for match in _PART.finditer(text))


def _indexed(names: tuple[str, ...], counts: dict[tuple[str, ...], int]) -> KeyPath:
    """Put the number of the current element behind each name of a list of tables."""
    path: KeyPath = ()
    for end, name in enumerate(names, 1):
        path = (*path, name)
        if names[:end] in counts:
            path = (*path, counts[names[:end]])
    return path
