"""Parses TOML that anybody may have written, in bounded time."""

from __future__ import annotations

import re
import sys
from typing import Any

_MOST_COST = 2_000**2
"""A key of more parts than that takes seconds to parse."""


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
